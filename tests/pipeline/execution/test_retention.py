"""Which executions may go; `tests/pipeline/commands/test_clean.py` has the command."""

from pathlib import Path

import pytest

from pipeline.execution.retention import retention
from tests.pipeline.execution.test_runner import Session, make_pipeline


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Of one source, three runs that add and finish."""
    session = Session(tmp_path)
    for amount in (1, 2, 3):
        session.run(make_pipeline(amount=amount))
    return session


def test_what_may_go_is_told_oldest_first_with_its_size(session: Session) -> None:
    found = retention(session.store, keep_runs=1).unneeded
    assert [it.node for it in found] == ["Add", "Finish"] * 2
    assert [it.id for it in found] == sorted(it.id for it in found)
    for it in found:
        outputs = [file for file in (session.store.directory / it.node / it.id).glob("*/*") if file.is_file()]
        assert it.size == sum(file.stat().st_size for file in outputs)


def test_what_a_served_model_was_made_of_stays(session: Session) -> None:
    first = session.store.executions("Finish")[0]
    found = retention(session.store, keep_runs=1, served=[first]).unneeded
    assert {(it.node, it.id) for it in found} == {
        (node, session.store.executions(node)[1].id) for node in ("Add", "Finish")
    }


def test_of_a_published_version_the_record_stays_and_no_more(session: Session) -> None:
    first = session.store.executions("Finish")[0]
    found = retention(session.store, keep_runs=1, published=[first]).unneeded
    assert [it.node for it in found] == ["Add", "Add", "Finish"]
    assert first.id not in [it.id for it in found]
