from pathlib import Path

import pytest

from dataplane.errors import DataError
from pipeline.cli import main
from pipeline.execution.metadata import Run, Step, Store
from tests.pipeline.execution.test_runner import Session, make_pipeline


def executions(store: Store) -> dict[str, int]:
    return {node: len(store.executions(node)) for node in store.nodes()}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = Session(tmp_path)
    for amount in (1, 2, 3):
        session.run(make_pipeline(amount=amount))
    return session


def test_what_the_newest_runs_stand_on_stays(session, tmp_path, capsys):
    assert executions(session.store) == {"Source": 1, "Add": 3, "Finish": 3}
    assert main(["clean", "toy", "--keep-runs", "2", "--root", str(tmp_path)]) == 0
    assert "2 executions" in capsys.readouterr().out
    assert executions(session.store) == {"Source": 1, "Add": 2, "Finish": 2}
    assert session.run(make_pipeline(amount=3)) == {"Source": "cached", "Add": "cached", "Finish": "cached"}
    assert session.run(make_pipeline(amount=1)) == {"Source": "cached", "Add": "run", "Finish": "run"}


def test_refreshes_of_the_index_do_not_count_as_runs(session, tmp_path):
    for number in range(3):
        steps = [Step("RefreshPusher", "run", f"e{number}")]
        session.store.save_run(Run(id=f"9{number}", config="toy.yaml", pid=0, state="done", steps=steps))
    assert main(["clean", "toy", "--keep-runs", "2", "--root", str(tmp_path)]) == 0
    assert executions(session.store) == {"Source": 1, "Add": 2, "Finish": 2}


def test_a_dry_run_deletes_nothing(session, tmp_path, capsys):
    assert main(["clean", "toy", "--keep-runs", "1", "--dry-run", "--root", str(tmp_path)]) == 0
    assert "4 executions" in capsys.readouterr().out
    assert executions(session.store) == {"Source": 1, "Add": 3, "Finish": 3}


def test_a_failed_run_can_still_be_continued(session, tmp_path):
    crash = tmp_path / "crash"
    crash.write_text("bad data")
    with pytest.raises(DataError):
        session.run(make_pipeline(number=7, crash=crash))
    assert main(["clean", "toy", "--keep-runs", "1", "--root", str(tmp_path)]) == 0
    crash.unlink()
    assert session.run(make_pipeline(number=7, crash=crash)) == {"Source": "cached", "Add": "run", "Finish": "run"}


def test_a_pipeline_at_work_is_left_alone(session, tmp_path, capsys):
    with session.store.lock():
        assert main(["clean", "toy", "--root", str(tmp_path)]) == 3
    assert "is in use" in capsys.readouterr().err


def test_nothing_older_is_deleted_than_what_is_needed_and_cannot_be_read(session, tmp_path, capsys):
    needed = session.store.latest("Finish")
    session.store.execution_directory("Finish", needed.id).joinpath("manifest.json").write_text("")
    clean = ["clean", "toy", "--keep-runs", "1", "--root", str(tmp_path)]
    assert main(clean) == 0
    told = capsys.readouterr()
    assert f"Finish/{needed.id} is needed, but its record cannot be read" in told.err
    assert "0 executions" in told.out
    assert executions(session.store) == {"Source": 1, "Add": 3, "Finish": 2}
    assert session.run(make_pipeline(amount=3)) == {"Source": "cached", "Add": "cached", "Finish": "run"}
    assert main(clean) == 0
    assert executions(session.store) == {"Source": 1, "Add": 1, "Finish": 1}


def test_what_cannot_be_read_and_nothing_needs_is_deleted_and_told(session, tmp_path, capsys):
    old = session.store.executions("Finish")[0]
    directory = session.store.execution_directory("Finish", old.id)
    (directory / "manifest.json").write_bytes(b"\xff")
    assert main(["clean", "toy", "--keep-runs", "1", "--root", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert f"Finish/{old.id}  unreadable" in told.out
    assert str(directory / "manifest.json") in told.err
    assert executions(session.store) == {"Source": 1, "Add": 1, "Finish": 1}
    assert not directory.exists()


def test_what_a_run_made_whose_record_cannot_be_read_stays(session, tmp_path):
    first = session.store.runs()[0]
    (session.store.directory / "runs" / f"{first.id}.json").write_text('{"id": 1')
    assert main(["clean", "toy", "--keep-runs", "1", "--root", str(tmp_path)]) == 0
    assert executions(session.store) == {"Source": 1, "Add": 2, "Finish": 2}
    assert {execution.run for execution in session.store.executions("Add")} == {
        first.id,
        session.store.runs()[-1].id,
    }


def test_what_killed_processes_left_goes(session, tmp_path):
    store = session.store
    rests = [
        store.execution_directory("Add", "20250101T000000.000000Z-dead") / "statistics",
        store.execution_directory("Renamed", "20250101T000000.000000Z-dead"),
    ]
    for rest in rests:
        rest.mkdir(parents=True)
    record = store.directory / "runs" / ".20250101T000000.000000Z-dead.json.0123"
    record.touch()
    (store.directory / "tuning" / "trial-1").mkdir(parents=True)
    assert main(["clean", "toy", "--dry-run", "--root", str(tmp_path)]) == 0
    assert all(path.exists() for path in [*rests, record])
    assert main(["clean", "toy", "--root", str(tmp_path)]) == 0
    assert not any(path.exists() for path in [rests[0].parent, rests[1], record])
    assert (store.directory / "tuning" / "trial-1").exists()
    assert executions(store) == {"Source": 1, "Add": 3, "Finish": 3}


def test_an_unknown_pipeline_is_named(session, tmp_path, capsys):
    assert main(["clean", "tox", "--root", str(tmp_path)]) == 2
    assert "pipelines there: toy" in capsys.readouterr().err
