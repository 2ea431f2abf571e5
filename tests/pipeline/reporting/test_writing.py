"""When the report of a run is written, and what becomes of one that cannot be."""

from pathlib import Path

import pytest

from dataplane.errors import RefusedError
from pipeline.config.config import load_config
from pipeline.execution.metadata import Store
from pipeline.execution.progress import PlainProgress
from pipeline.execution.session import Session
from pipeline.reporting.writing import reported
from tests.paths import PROJECT
from tests.pipeline.reporting.small_run import Runs


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def session(tmp_path: Path, warnings: list[str]) -> Session:
    """The session of a run that has ended, but for its report."""
    runs = Runs(tmp_path)
    run = runs.add("r1", wrote={}, state="refused", message="no", ended_by="Pusher")
    config = load_config(PROJECT / "tfx_config" / "quickstart.yaml")
    return Session(config, Store(tmp_path, "toy", warnings.append), run, PlainProgress("toy"))


def report_of(session: Session) -> Path:
    return session.store.report_file(session.run)


def test_the_report_is_written_at_the_end_of_a_run(session: Session, warnings: list[str]) -> None:
    with reported(session):
        assert not report_of(session).exists()
    assert "<h1>Refused by Pusher" in report_of(session).read_text()
    assert warnings == []


def test_the_page_of_all_runs_is_written_anew(session: Session) -> None:
    session.store.index_file.write_text("old")
    with reported(session):
        pass
    page = session.store.index_file.read_text()
    assert "Refused by Pusher" in page
    assert f'<a href="{report_of(session).name}">' in page


def test_a_refusal_names_the_report(session: Session) -> None:
    with pytest.raises(RefusedError) as raised, reported(session):
        raise RefusedError("not blessed")
    assert str(raised.value) == f"not blessed\nThe report is {report_of(session)}"
    assert report_of(session).exists()


def test_an_internal_error_has_a_report_and_stays_what_it_is(session: Session) -> None:
    with pytest.raises(ZeroDivisionError), reported(session):
        raise ZeroDivisionError
    assert report_of(session).exists()


def test_an_interrupted_run_ends_at_once(session: Session) -> None:
    with pytest.raises(KeyboardInterrupt), reported(session):
        raise KeyboardInterrupt
    assert not report_of(session).exists()


def test_a_run_that_did_not_begin_has_no_report(session: Session) -> None:
    session.run.finished = ""
    with pytest.raises(RefusedError, match=r"^locked$"), reported(session):
        raise RefusedError("locked")
    assert not report_of(session).exists()


def test_a_report_that_cannot_be_made_is_a_warning(session: Session, warnings: list[str]) -> None:
    report_of(session).mkdir()
    with reported(session):
        pass
    (told,) = warnings
    assert told.startswith("the report could not be written (")
    assert "the log has the traceback" in told


def test_a_refusal_stays_what_it_is_where_the_report_cannot_be_made(session: Session) -> None:
    report_of(session).mkdir()
    with pytest.raises(RefusedError, match=r"^not blessed$"), reported(session):
        raise RefusedError("not blessed")
