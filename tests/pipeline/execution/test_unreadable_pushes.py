"""Records of publications that cannot be read do not keep anybody from the published models."""

import json
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.execution.metadata import Store
from tests.pipeline.commands.test_versions import listed, root

__all__ = ["root"]


@pytest.fixture
def target(tmp_path: Path) -> str:
    """Where models are published."""
    return str(tmp_path / "serving")


def change(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


DAMAGED_PUSHES = ["", '{"version": 1', "[]", '{"new": true}', '{"version": "x", "new": true}', "[" * 100_000, "\0"]


@pytest.mark.parametrize("content", DAMAGED_PUSHES)
def test_an_unreadable_pushed_json_is_named(root, capsys, content):
    pushed = root / "toy" / "Pusher" / "e1" / "pushed_model" / "pushed.json"
    pushed.write_text(content)
    assert main(["versions", "toy", "--root", str(root), "--json"]) == 0
    told = capsys.readouterr()
    assert [found["run"] for found in json.loads(told.out)] == ["run0", None]
    assert "warning: Pusher/e1 is damaged: pushed_model/pushed.json" in told.err
    assert main(["clean", "toy", "--root", str(root)]) == 0
    assert main(["rollback", "toy", "--root", str(root)]) == 0


@pytest.mark.parametrize("content", DAMAGED_PUSHES)
def test_so_is_one_of_a_release_that_took_no_digests(root, capsys, content):
    pushed = root / "toy" / "Pusher" / "e1" / "pushed_model" / "pushed.json"
    pushed.write_text(content)
    change(root / "toy" / "Pusher" / "e1" / "manifest.json", digests={}, files={})
    assert [found["run"] for found in listed(root, capsys)] == ["run0", None]
    assert main(["versions", "toy", "--root", str(root)]) == 0
    assert f"warning: {pushed} cannot be used" in capsys.readouterr().err


def test_a_flipped_version_is_not_believed(root, capsys):
    pushed = root / "toy" / "Pusher" / "e1" / "pushed_model" / "pushed.json"
    pushed.write_text(pushed.read_text().replace(str(json.loads(pushed.read_text())["version"]), "1234567890"))
    assert [found["run"] for found in listed(root, capsys)] == ["run0", None]


def test_a_publication_by_another_release_is_understood(root, capsys):
    manifest = root / "toy" / "Pusher" / "e1" / "manifest.json"
    params = json.loads(manifest.read_text())["params"]
    change(manifest, params={**params, "canary": 0.1}, later=1)
    assert [found["run"] for found in listed(root, capsys)] == ["run0", "run1"]
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize("params", [{}, {"directory": 7, "name": "toy"}, {"directory": "s3://a@b/c", "name": "toy"}])
def test_a_publication_that_does_not_tell_where_counts_as_not_there(root, capsys, params):
    change(root / "toy" / "Pusher" / "e1" / "manifest.json", params=params)
    assert main(["versions", "toy", "--root", str(root)]) == 0
    assert "the record of Pusher/e1 cannot be used and is treated as missing: params." in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["", "{}"])
def test_what_is_served_is_kept_though_the_record_of_its_publication_cannot_be_read(root, capsys, damage):
    store = Store(root, "toy")
    model = json.loads((root / "toy" / "Pusher" / "e1" / "manifest.json").read_text())
    for number in (0, 1):
        made = {"node": "ScannIndexer", "id": f"e{number}", "inputs": {}, "outputs": ["serving_model"], "run": "old"}
        manifest = root / "toy" / "ScannIndexer" / f"e{number}" / "manifest.json"
        manifest.write_text(json.dumps({**model, **made, "files": {}}))
    (root / "toy" / "Pusher" / "e1" / "manifest.json").write_text(damage)
    assert main(["clean", "toy", "--keep-runs", "1", "--root", str(root)]) == 0
    assert "cannot be used" in capsys.readouterr().err
    assert [execution.id for execution in store.executions("ScannIndexer")] == ["e1"]
