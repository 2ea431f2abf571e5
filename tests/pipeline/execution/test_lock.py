"""Looking never turns a run away, and the order of runs and executions is not the clock's."""

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from dataplane.errors import RunError
from pipeline.cli import main
from pipeline.execution import ids, lock
from pipeline.execution.ids import new_id
from pipeline.execution.lock import CLEAN
from pipeline.execution.metadata import Run, Store
from tests.paths import PROJECT
from tests.pipeline.execution.test_runner import Session, make_pipeline


def test_looking_at_the_lock_never_turns_a_run_away(tmp_path):
    store = Store(tmp_path, "toy")
    store.save_run(Run(id="1", config="toy.yaml", pid=os.getpid()))
    script = f"""
from pathlib import Path
from pipeline.execution.metadata import Store
store = Store(Path({str(tmp_path)!r}), "toy")
print("looks", flush=True)
while not (store.directory / "enough").exists():
    store.runs()
"""
    with subprocess.Popen([sys.executable, "-c", script], cwd=PROJECT, stdout=subprocess.PIPE) as looking:
        try:
            assert looking.stdout.readline() == b"looks\n"
            for _ in range(1000):
                with store.lock():
                    pass
        finally:
            (store.directory / "enough").touch()


def test_a_run_at_work_is_running_and_a_dead_one_interrupted(tmp_path):
    store = Store(tmp_path, "toy")
    store.save_run(Run(id="1", config="toy.yaml", pid=os.getpid()))
    with store.lock():
        assert store.runs()[-1].state == "running"
        assert Store(tmp_path, "toy").runs()[-1].state == "running"
    assert store.runs()[-1].state == "interrupted"


def test_only_one_holds_the_lock_and_it_is_told_who(tmp_path):
    store = Store(tmp_path, "toy")
    with store.lock(), pytest.raises(RunError, match=r"in use by process \d+; wait for it"), store.lock():
        pass
    with store.lock():
        pass


def test_a_run_waits_for_a_clean_that_is_under_way(tmp_path, capsys):
    store, cleans, waited = Store(tmp_path, "toy"), threading.Event(), threading.Event()

    def clean() -> None:
        with store.lock(CLEAN):
            cleans.set()
            waited.wait(60)

    cleaning = threading.Thread(target=clean)
    cleaning.start()
    cleans.wait(60)
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        waited.set()

    with Store(tmp_path, "toy", warn=tell).lock():
        assert "which is cleaning" in told[0]
    cleaning.join()


def test_a_clean_that_does_not_end_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_WAIT_SECONDS", 0.0)
    store = Store(tmp_path, "toy")
    with store.lock(CLEAN), pytest.raises(RunError, match="in use by process"), store.lock():
        pass


def test_a_dry_run_of_clean_needs_no_lock(tmp_path):
    session = Session(tmp_path)
    session.run()
    with session.store.lock():
        assert main(["clean", "toy", "--dry-run", "--root", str(tmp_path)]) == 0
        assert main(["show", "toy/Add", "--root", str(tmp_path)]) == 0


class Clock(datetime):
    """A clock that is set by hand."""

    moment = datetime(2026, 1, 2, tzinfo=UTC)

    @classmethod
    def now(cls, tz=None):
        return cls.moment


@pytest.fixture
def clock(monkeypatch) -> type[Clock]:
    monkeypatch.setattr(Clock, "moment", datetime(2026, 1, 2, tzinfo=UTC))
    monkeypatch.setattr(ids, "datetime", Clock)
    return Clock


@pytest.mark.parametrize("later", [timedelta(days=-400), timedelta(seconds=-1), timedelta(0)])
def test_the_newest_run_is_the_last_one_whatever_the_clock_says(tmp_path, clock, later):
    session = Session(tmp_path)
    session.run(make_pipeline(amount=1))
    clock.moment += later
    session.run(make_pipeline(amount=2))
    newest = session.executions["Finish"]
    assert [run.id for run in session.store.runs()][-1] == newest.run
    assert session.store.latest("Finish").id == newest.id
    assert session.store.latest("Add").id == session.executions["Add"].id
    assert main(["clean", "toy", "--keep-runs", "1", "--root", str(tmp_path)]) == 0
    assert [execution.id for execution in session.store.executions("Finish")] == [newest.id]


def test_a_clock_set_back_within_a_run_does_not_reorder_its_steps(tmp_path, clock, monkeypatch):
    given = []
    real = Store.new_id

    def backwards(store: Store) -> str:
        clock.moment -= timedelta(days=1)
        given.append(real(store))
        return given[-1]

    monkeypatch.setattr(Store, "new_id", backwards)
    Session(tmp_path).run()
    assert len(given) == 3
    assert given == sorted(given)


def test_a_run_that_was_overtaken_before_it_started_sorts_after_the_one_that_overtook_it(tmp_path):
    session = Session(tmp_path)
    late = Run(id=new_id(), config="toy.yaml", pid=0)
    log = session.store.log_file(late)
    log.parent.mkdir(parents=True)
    log.write_text("begun")
    session.run()
    session.store.admit(late)
    assert late.id > session.store.runs()[-1].id
    assert session.store.log_file(late).read_text() == "begun"
    assert not log.exists()


def test_ids_that_are_no_times_do_not_disturb_new_ones():
    odd = ["e0", "20261399T999999.000000Z-aaaa", "99991231T235959.999999Z-ffff", ".resume", "runs"]
    assert new_id(after=odd)[:2] == f"{datetime.now(UTC):%Y}"[:2]
