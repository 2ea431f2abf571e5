"""Records that cannot be read are named and count as not there; those of other releases are understood and kept."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.execution.metadata import Run, Step, Store
from pipeline.execution.records import Execution, read_record
from tests.pipeline.execution.test_runner import Session, make_pipeline


def rewritten(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        record = json.loads(file.read_text())
        changed = change(record)
        file.write_text(json.dumps(record if changed is None else changed))

    return damage


def bytes_written(content: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda file: file.write_bytes(content(file.read_bytes()))


def as_directory(file: Path) -> None:
    file.unlink()
    (file / "inside").mkdir(parents=True)


def as_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def as_huge_file(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(1 << 40)


ANY = {
    "empty": bytes_written(lambda old: b""),
    "cut": bytes_written(lambda old: old[: len(old) // 2]),
    "binary": bytes_written(lambda old: bytes(range(256)) * 4),
    "not UTF-8": bytes_written(lambda old: old.replace(b"toy", b"t\xff")[:-1] + b"\xff}"),
    "a list": rewritten(lambda record: [record]),
    "a word": rewritten(lambda record: "record"),
    "null": bytes_written(lambda old: b"null"),
    "deep": bytes_written(lambda old: b"[" * 200_000),
    "half a character": rewritten(lambda record: record.update(config="\ud800", component="\ud800")),
    "a long number": bytes_written(lambda old: b'{"pid": ' + b"9" * 10_000 + b"}"),
    "of another": rewritten(lambda record: record.update(id="20200101T000000.000000Z-0000")),
    "without an id": rewritten(lambda record: record.pop("id") and None),
    "with an id of a wrong type": rewritten(lambda record: record.update(id=7)),
    "a directory": as_directory,
    "a pipe": as_pipe,
    "huge": as_huge_file,
}
OF_MANIFESTS = {
    "seconds of a wrong type": rewritten(lambda record: record.update(seconds="fast")),
    "inputs of a wrong type": rewritten(lambda record: record.update(inputs=[])),
    "inputs elsewhere": rewritten(lambda record: record.update(inputs={"examples": "../../../etc"})),
    "files elsewhere": rewritten(lambda record: record.update(files={"/etc/passwd": 1})),
    "digests elsewhere": rewritten(lambda record: record.update(digests={"../../../etc/": ""})),
    "outputs of a wrong type": rewritten(lambda record: record.update(outputs={"a": 1})),
}
OF_RUNS = {
    "steps of a wrong type": rewritten(lambda record: record.update(steps={})),
    "a step of a wrong type": rewritten(lambda record: record.update(steps=["Add"])),
    "a step elsewhere": rewritten(lambda record: record["steps"][0].update(execution="../..")),
    "a step without a node": rewritten(lambda record: record["steps"][0].pop("node") and None),
    "a time that is none": rewritten(lambda record: record.update(started="yesterday")),
    "a time without its zone": rewritten(lambda record: record.update(finished="2026-01-01T00:00:00")),
}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = Session(tmp_path)
    session.run()
    return session


def command(root: Path, *arguments: str) -> int:
    return main([*arguments, "--root", str(root)])


def manifest(session: Session, node: str = "Add") -> Path:
    execution = session.executions[node]
    return session.store.execution_directory(node, execution.id) / "manifest.json"


@pytest.mark.parametrize("kind", [*ANY, *OF_MANIFESTS])
def test_an_unreadable_manifest_is_named_and_its_step_executed_again(session, tmp_path, capsys, kind):
    damaged = manifest(session)
    (ANY | OF_MANIFESTS)[kind](damaged)
    for arguments in (["status"], ["status", "--json"], ["show", "toy/Finish"], ["clean", "toy", "--dry-run"]):
        assert command(tmp_path, *arguments) == 0
    assert capsys.readouterr().err.count(f"warning: {damaged} cannot be used and is treated as missing: ") >= 3
    assert command(tmp_path, "show", "toy/Add") == 2
    assert "no finished step 'Add'; there is Finish, Source" in capsys.readouterr().err
    assert command(tmp_path, "show", "toy") == 2
    assert "toy: name a step, as in PIPELINE/STEP; there is Finish, Source" in capsys.readouterr().err
    assert damaged.exists(), "what may be wanted back is left until the step has been executed again"
    fresh = Session(tmp_path)
    assert fresh.run() == {"Source": "cached", "Add": "run", "Finish": "cached"}
    assert str(damaged) in capsys.readouterr().err
    assert not damaged.parent.exists()
    assert fresh.run()["Add"] == "cached"
    assert command(tmp_path, "status") == 0
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize("kind", [*ANY, *OF_RUNS])
def test_an_unreadable_record_of_a_run_is_named_and_counts_as_not_there(session, tmp_path, capsys, kind):
    session.run(make_pipeline(amount=2))
    first, second = sorted((session.store.directory / "runs").glob("*.json"))
    (ANY | OF_RUNS)[kind](second)
    for arguments in (["status"], ["status", "--json"], ["clean", "toy", "--dry-run"]):
        assert command(tmp_path, *arguments) == 0
        assert f"warning: {second} cannot be used" in capsys.readouterr().err
    assert [run.id for run in Store(tmp_path, "toy").runs()] == [first.stem]
    assert Session(tmp_path).run(make_pipeline(amount=2))["Finish"] == "cached"


def test_runs_after_an_unreadable_record_are_still_there(session):
    session.run(make_pipeline(amount=2))
    first, second = sorted((session.store.directory / "runs").glob("*.json"))
    first.write_text("")
    assert [run.id for run in Store(session.store.directory.parent, "toy").runs()] == [second.stem]


def test_a_file_that_may_not_be_read_is_named_and_never_deleted(session, tmp_path, capsys, monkeypatch):
    denied, read = manifest(session), Path.read_bytes

    def refuse(file: Path) -> bytes:
        if file == denied:
            raise PermissionError(13, "Permission denied")
        return read(file)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert Session(tmp_path).run() == {"Source": "cached", "Add": "run", "Finish": "cached"}
    assert command(tmp_path, "clean", "toy", "--keep-runs", "1") == 0
    assert f"{denied} cannot be used and is treated as missing: Permission denied" in capsys.readouterr().err
    assert denied.exists()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[1]", b"7" * 100_000, b"1 clean\n2"])
def test_whatever_the_lock_file_holds_a_run_takes_it(session, tmp_path, content):
    (session.store.directory / ".lock").write_bytes(content)
    session.store.save_run(Run(id="9", config="toy.yaml", pid=7))
    assert command(tmp_path, "status") == 0
    assert Session(tmp_path).run()["Finish"] == "cached"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_lock_that_is_no_file_is_told(session, tmp_path, capsys, make):
    lock = session.store.directory / ".lock"
    lock.unlink()
    make(lock)
    session.store.save_run(Run(id="9", config="toy.yaml", pid=7))
    assert command(tmp_path, "status") == 0
    assert command(tmp_path, "clean", "toy") == 3
    assert f"{lock} cannot be opened" in capsys.readouterr().err


def test_keys_of_another_release_are_kept_when_a_record_is_written_again(tmp_path):
    store = Store(tmp_path, "toy")
    file = tmp_path / "toy" / "runs" / "1.json"
    store.save_run(Run(id="1", config="toy.yaml", pid=0, state="done", steps=[Step("Add", "run", "e0")]))
    rewritten(lambda record: record.update(later={"a": [1]}, unknown="x"))(file)
    rewritten(lambda record: record["steps"][0].update(worker="w7"))(file)
    (run,) = store.runs()
    run.message = "seen"
    store.save_run(run)
    record = json.loads(file.read_text())
    assert (record["later"], record["unknown"], record["message"]) == ({"a": [1]}, "x", "seen")
    assert record["steps"][0] == {
        "node": "Add", "state": "run", "execution": "e0", "seconds": 0.0, "reason": "", "worker": "w7",
    }  # fmt: skip


def test_a_manifest_with_keys_of_another_release_stands_and_keeps_them(session, tmp_path, capsys):
    rewritten(lambda record: record.update(later=[1], unknown={"unknown": 1}))(manifest(session))
    assert Session(tmp_path).run()["Add"] == "cached"
    assert capsys.readouterr().err.count("warning") == 0
    found = session.store.execution("Add", session.executions["Add"].id)
    session.store.commit(replace(found, facts={"new": 1}))
    record = json.loads(manifest(session).read_text())
    assert (record["later"], record["unknown"], record["facts"]) == ([1], {"unknown": 1}, {"new": 1})
    assert read_record(Execution, manifest(session)).facts == {"new": 1}
