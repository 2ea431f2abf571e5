"""An artifact that has changed since it was written is never used in silence: its step is executed again, and told."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from components.base import Prepared
from dataplane.beam_runner import InProcess
from dataplane.errors import RunError
from pipeline.cli import main
from pipeline.execution.lineage import artifact, producer
from pipeline.execution.progress import PlainProgress
from pipeline.execution.runner import LocalRunner, new_run
from pipeline.execution.selection import Selection
from tests.components.damage import DAMAGES as OF_FILES
from tests.pipeline.execution.test_runner import Session, make_pipeline


def written_of_equal_size(file: Path) -> None:
    file.write_text("7\n")


def as_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def as_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def as_link(target: str) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        file.unlink()
        file.symlink_to(target)

    return damage


def beside(name: str) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        (file.parent / name).parent.mkdir(exist_ok=True)
        (file.parent / name).write_text("7")

    return damage


DAMAGES: dict[str, Callable[[Path], object]] = {
    **OF_FILES,
    "another of equal size": written_of_equal_size,
    "a directory": as_directory,
    "a pipe": as_pipe,
    "a dangling link": as_link("nowhere"),
    "a link to itself": as_link("number.json"),
    "an empty file": lambda file: file.write_bytes(b""),
    "one file more": beside("number-1.json"),
    "a hidden file more": beside(".number.json"),
    "a directory more": lambda file: (file.parent / "queries").mkdir(),
    "a file in a directory more": beside("more/number.json"),
}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = Session(tmp_path)
    session.run()
    return session


def output(session: Session, node: str = "Add", name: str = "statistics") -> Path:
    return session.store.output(session.executions[node], name) / "number.json"


@pytest.mark.parametrize("kind", DAMAGES)
def test_what_is_damaged_is_told_by_name_and_executed_again(session, tmp_path, capsys, kind):
    file = output(session)
    DAMAGES[kind](file)
    damaged = session.executions["Add"]
    capsys.readouterr()
    fresh = Session(tmp_path)
    assert fresh.run() == {"Source": "cached", "Add": "run", "Finish": "cached"}
    told = capsys.readouterr().err
    assert f"warning: Add/{damaged.id} is damaged: statistics/" in told
    assert "; the step is executed again" in told
    assert output(fresh).read_text().strip() == "2"
    assert fresh.result() == "2"
    assert fresh.run()["Add"] == "cached"
    assert "damaged" not in capsys.readouterr().err.partition("Add: cached")[2]


@pytest.mark.parametrize("kind", ["flip", "delete", "one file more"])
def test_a_damaged_input_is_not_handed_to_a_step(session, tmp_path, kind):
    DAMAGES[kind](output(session, "Source", "examples"))
    assert Session(tmp_path).run(make_pipeline(amount=5)) == {"Source": "run", "Add": "run", "Finish": "run"}


def test_what_was_made_of_something_damaged_is_made_anew_if_that_comes_out_differently(tmp_path):
    changing = tmp_path / "number"
    changing.write_text("1")
    session = Session(tmp_path)

    def run() -> dict[str, str]:
        pipeline = make_pipeline()
        source = pipeline.nodes[0].component
        source.params = source.params.model_copy(update={"file": changing})
        source.prepare = lambda: Prepared({"number": "always the same"}, source.execute)
        return session.run(pipeline)

    assert run() == {"Source": "run", "Add": "run", "Finish": "run"}
    changing.write_text("5")
    assert run() == {"Source": "cached", "Add": "cached", "Finish": "cached"}
    output(session, "Source", "examples").write_text("9\n")
    assert run() == {"Source": "run", "Add": "run", "Finish": "run"}
    assert session.result() == "7"


def test_an_equal_undamaged_execution_is_taken(session, tmp_path, capsys):
    session.run(only="Add")
    newer = session.executions["Add"]
    written_of_equal_size(output(session))
    assert Session(tmp_path).run() == {"Source": "cached", "Add": "cached", "Finish": "cached"}
    told = capsys.readouterr().err
    damage = "statistics/number.json has changed since it was written"
    assert f"Add/{newer.id} is damaged: {damage}; an equal one is used" in told


def test_an_equal_execution_that_was_made_of_others_is_not_taken(session, tmp_path):
    session.run(only="Source")
    session.run(start="Add")
    written_of_equal_size(output(session))
    assert Session(tmp_path).run() == {"Source": "cached", "Add": "run", "Finish": "cached"}


def test_with_only_a_damaged_input_is_told(session, tmp_path, capsys):
    written_of_equal_size(output(session))
    with pytest.raises(RunError, match="Add is not in the cache"):
        Session(tmp_path).run(only="Finish")
    assert "Add/" in capsys.readouterr().err


def test_the_artifacts_of_releases_that_took_no_digests_stay_usable(session, tmp_path, capsys):
    for file in (session.store.directory).glob("*/*/manifest.json"):
        record = json.loads(file.read_text())
        del record["digests"], record["input_fingerprints"]
        file.write_text(json.dumps(record))
    assert Session(tmp_path).run() == {"Source": "cached", "Add": "cached", "Finish": "cached"}
    assert "warning" not in capsys.readouterr().err
    output(session).write_text("177")
    assert Session(tmp_path).run()["Add"] == "run"
    assert "number.json has a size of 3 instead of 2 bytes" in capsys.readouterr().err


def test_show_tells_of_damage(session, tmp_path, capsys):
    OF_FILES["flip"](output(session))
    assert main(["show", "toy/Add/statistics", "--root", str(tmp_path)]) == 0
    assert "is damaged: statistics/number.json has changed since it was written" in capsys.readouterr().err


def test_what_is_given_from_outside_is_checked(session):
    written_of_equal_size(output(session))
    runner = LocalRunner(session.store, InProcess(), PlainProgress("toy"))
    with pytest.raises(RunError, match=r"Add/\S+ is damaged: statistics/number\.json has changed since it was written"):
        runner.run(make_pipeline(), new_run(Path("x")), Selection(), given={"Other": session.executions["Add"]})


def test_lineage_leads_to_what_is_undamaged(session, tmp_path):
    finish, first = session.executions["Finish"], session.executions["Add"]
    assert producer(session.store, finish, "statistics").id == first.id
    written_of_equal_size(output(session))
    with pytest.raises(RunError, match=r"Add/\S+ is damaged: .*; run the pipeline again$"):
        artifact(session.store, finish, "statistics")
    fresh = Session(tmp_path)
    assert fresh.run()["Finish"] == "cached"
    again = fresh.executions["Add"]
    assert artifact(fresh.store, finish, "statistics") == fresh.store.output(again, "statistics")
    (session.store.execution_directory("Add", first.id) / "manifest.json").write_text("")
    assert producer(session.store, finish, "statistics").id == again.id
    with pytest.raises(RunError, match="has no input 'model'"):
        producer(session.store, finish, "model")


def test_files_are_on_the_disk_before_their_manifest_says_so(tmp_path, monkeypatch):
    synced: list[str] = []
    real_sync = os.fsync

    def record(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real_sync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    session = Session(tmp_path)
    session.run()
    execution = session.executions["Source"].id
    manifest = next(name for name in synced if name.startswith(".manifest.json."))
    before, after = synced[: synced.index(manifest)], synced[synced.index(manifest) + 1 :]
    for name in ("number.json", "examples", execution, "Source", "toy"):
        assert name in before, name
    assert after[0] == execution, "and so is the manifest's own entry"


def test_a_write_that_fails_leaves_the_old_record_and_nothing_else(session, monkeypatch):
    run = session.store.runs()[-1]

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    before = sorted((session.store.directory / "runs").iterdir())
    with pytest.raises(OSError, match="No space"):
        session.store.save_run(run)
    assert sorted((session.store.directory / "runs").iterdir()) == before
    assert session.store.runs()[-1] == run
