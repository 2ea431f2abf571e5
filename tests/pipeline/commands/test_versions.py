import json
from pathlib import Path
from typing import Any

import pytest

from components.pusher import PusherParams
from dataplane.artifacts import PushedModel
from dataplane.artifacts.pushed_model import Push
from pipeline.cli import main
from pipeline.execution.metadata import Execution, Run, Store
from serving.published.publishing import Publisher
from tests.stored import remove, remove_tree, write


def export(path: Path, identity: str) -> Path:
    """A pair of directories that look like serving models."""
    for name in ("exact", "scann"):
        (path / name / "assets.extra").mkdir(parents=True)
        (path / name / "saved_model.pb").write_text(name)
        (path / name / "assets.extra" / "model.json").write_text(json.dumps({"identity": {"towers": identity}}))
    return path


@pytest.fixture(params=["local", "s3"])
def target(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where models are published."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return str(tmp_path / "serving") if request.param == "local" else request.getfixturevalue("s3_bucket") + "/models"


@pytest.fixture
def root(tmp_path: Path, target: str) -> Path:
    """Two runs of a pipeline that published a model each."""
    store = Store(tmp_path, "toy")
    params = PusherParams(directory=target, name="toy", keep_versions=3)
    for number in range(2):
        model = export(store.directory / "ScannIndexer" / f"e{number}" / "serving_model", f"identity {number}")
        publication = Publisher(params.directory, "toy").publish(
            exact=model / "exact", scann=model / "scann", keep_versions=3
        )
        execution = Execution(
            node="Pusher",
            id=f"e{number}",
            component="Pusher",
            fingerprint=str(number),
            inputs={"serving_model": f"ScannIndexer/e{number}/serving_model"},
            outputs=["pushed_model"],
            params=params.model_dump(mode="json"),
            libraries={},
            facts={},
            run=f"run{number}",
            started="2026-01-02T03:04:05+00:00",
            seconds=1.0,
        )
        Push(version=publication.version, exact=publication.exact, scann=publication.scann, new=True).write(
            PushedModel(store.output(execution, "pushed_model"))
        )
        store.commit(execution)
        store.save_run(Run(id=f"run{number}", config="toy.yaml", pid=0, state="done"))
    return tmp_path


def listed(root: Path, capsys: pytest.CaptureFixture[str]) -> list[dict]:
    capsys.readouterr()
    assert main(["versions", "toy", "--root", str(root), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_versions_tell_run_time_and_which_is_newest(
    root: Path, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = listed(root, capsys)
    assert (first["run"], second["run"]) == ("run0", "run1")
    assert (first["newest"], second["newest"]) == (False, True)
    assert first["published"] == "2026-01-02T03:04:05+00:00"
    assert second["identity"] == {"towers": "identity 1"}
    assert main(["versions", "--root", str(root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"toy and toy-scann in {target}"
    assert "run run1" in lines[2]
    assert lines[2].endswith("newest")


def test_rollback_makes_an_old_version_the_newest(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = listed(root, capsys)
    assert main(["rollback", "toy", "--root", str(root)]) == 0
    assert "published as version" in capsys.readouterr().out
    back = listed(root, capsys)[-1]
    assert back["version"] > second["version"]
    assert (back["rollback_of"], back["newest"], back["run"]) == (first["version"], True, None)
    assert back["identity"] == first["identity"]
    assert main(["rollback", str(first["version"]), "--root", str(root)]) == 0
    assert "is that model already" in capsys.readouterr().out
    assert main(["rollback", "toy", str(second["version"]), "--root", str(root)]) == 0
    assert listed(root, capsys)[-1]["identity"] == second["identity"]


def test_what_cannot_be_gone_back_to_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollback", "toy", "7", "--root", str(root)]) == 2
    assert "no complete version 7" in capsys.readouterr().err
    assert main(["rollback", "other", "--root", str(root)]) == 2
    assert "no pipeline 'other'" in capsys.readouterr().err


def test_check_tells_the_state_of_each_version(root: Path, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (found["version"] for found in listed(root, capsys))
    assert main(["versions", "toy", "--check", "--root", str(root)]) == 0
    assert capsys.readouterr().out.count("not checked: published without digests") == 2
    assert main(["rollback", "toy", "--root", str(root)]) == 0, "it is used as before"
    back = listed(root, capsys)[-1]["version"]
    write(f"{target}/toy/{back}/assets.extra/more", b"")
    remove(f"{target}/toy-scann/{second}/assets.extra/model.json")
    assert main(["versions", "toy", "--check", "--json", "--root", str(root)]) == 3
    shown = capsys.readouterr()
    assert [(found["version"], found["state"], found["damage"]) for found in json.loads(shown.out)] == [
        (first, "not checked", []),
        (second, "damaged", ["toy-scann: assets.extra/model.json is missing"]),
        (back, "damaged", ["toy: assets.extra/more was added"]),
    ]
    assert f"damaged or incomplete: {second}, {back}. " in shown.err
    assert main(["rollback", "toy", str(second), "--root", str(root)]) == 3
    assert f"version {second} is damaged: toy-scann: assets.extra/model.json is missing" in capsys.readouterr().err


def test_half_a_version_is_not_whole(root: Path, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    newest = listed(root, capsys)[-1]["version"]
    remove_tree(f"{target}/toy/{newest}")
    assert main(["versions", "toy", "--check", "--root", str(root)]) == 3
    assert "incomplete" in capsys.readouterr().out


def test_clean_keeps_what_the_served_model_was_made_of(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollback", "toy", "--root", str(root)]) == 0
    before = listed(root, capsys)
    store = Store(root, "toy")
    for node, number in (("ScannIndexer", 0), ("ScannIndexer", 1)):
        made: dict[str, Any] = dict.fromkeys(("fingerprint", "run", "started"), "")
        store.commit(Execution(node, f"e{number}", node, inputs={}, outputs=["serving_model"], params={}, libraries={},
                               facts={}, seconds=1.0, **made))  # fmt: skip
    assert main(["clean", "toy", "--keep-runs", "1", "--root", str(root)]) == 0
    assert [execution.id for execution in store.executions("ScannIndexer")] == ["e0"]
    assert listed(root, capsys) == before


def test_a_promoted_version_is_listed_with_its_label(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (found["version"] for found in listed(root, capsys))

    def promote(*words: str) -> tuple[int, str]:
        code = main(["promote", *words, "--root", str(root)])
        printed = capsys.readouterr()
        return code, (printed.out or printed.err).strip()

    assert promote("toy", str(first)) == (0, f"version {first} has the label stable")
    assert promote(str(second), "--label", "canary") == (0, f"version {second} has the label canary")
    assert [found["labels"] for found in listed(root, capsys)] == [["stable"], ["canary"]]
    assert promote("toy", str(second)) == (0, f"version {second} has the label stable, as {first} had")
    assert promote("toy", str(second)) == (0, f"version {second} has the label stable already")
    assert promote("--label", "canary", "--remove") == (0, f"version {second} no longer has the label canary")
    assert [found["labels"] for found in listed(root, capsys)] == [[], ["stable"]]
    assert main(["versions", "--root", str(root)]) == 0
    assert "newest, label stable" in capsys.readouterr().out
    for words, why in (
        (("toy",), "promote takes a VERSION, or --remove"),
        (("toy", str(first), "--remove"), "promote takes a VERSION, or --remove"),
        (("toy", "7"), "no complete version 7"),
        (("toy", str(first), "--label", "a/b"), "label 'a/b'"),
        (("toy", "--label", "none", "--remove"), "no version has the label 'none'; labels there are: stable"),
    ):
        code, told = promote(*words)
        assert (code, why in told) == (2, True), told
