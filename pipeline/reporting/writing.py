"""Writes the report of a run, and the page that lists all runs, next to the records and logs of the runs."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dataplane.errors import PipelineError, RunError
from models.spec.durable import write_atomically
from pipeline.execution.metadata import Run, Store
from pipeline.execution.session import Session
from pipeline.reporting.collecting import collect
from pipeline.reporting.overview import overviews
from pipeline.reporting.page import render
from pipeline.reporting.projector import write_projector
from pipeline.reporting.runs_page import render_runs

_MOST_RUNS = 365
"""Runs on the page that lists them: a year of nights."""


def write_report(store: Store, run: Run) -> Path:
    """Writes the report of a run and the page that lists all runs; returns the path of the report.

    Raises:
        OSError: a file cannot be written.
    """
    file = store.report_file(run)
    write_atomically(file, render(collect(store, run)))
    write_index(store)
    return file


def write_index(store: Store) -> Path:
    """Writes the page that lists the newest runs of a pipeline and returns its path.

    Raises:
        OSError: the file cannot be written.
    """
    runs = store.runs()
    shown = list(overviews(store, runs[-_MOST_RUNS:]))
    with_report = frozenset(it.run.id for it in shown if store.report_file(it.run).is_file())
    page = render_runs(store.directory.name, shown, with_report=with_report, left_out=len(runs) - len(shown))
    write_atomically(store.index_file, page)
    return store.index_file


def remake_report(store: Store, run: Run) -> Path:
    """Writes the report of a run anew and returns its path.

    Raises:
        RunError: the file cannot be written.
    """
    try:
        return write_report(store, run)
    except OSError as error:
        raise RunError(f"{store.report_file(run)} cannot be written: {error.strerror or error}") from None


@contextmanager
def reported(session: Session) -> Iterator[None]:
    """Writes the report of a session's run at the end of the block, also after a failure or a refusal.

    A run that indexed a model writes the candidates for TensorBoard, too.

    An error in the report is only a warning. An interrupted run gets no report, so that it ends without delay.

    Raises:
        PipelineError: the error of the block, with the path of the report.
    """
    try:
        yield
    except PipelineError as error:
        file = _written(session)
        if file is None:
            raise
        raise type(error)(f"{error}\nThe report is {file}") from error
    except Exception:
        _written(session)
        raise
    _written(session)


def _written(session: Session) -> Path | None:
    """Writes the report and returns its path; None if no report was written."""
    if not session.run.finished:  # not started, for example because another run holds the lock
        return None
    _attempt(session, "candidates for TensorBoard", write_projector)
    return _attempt(session, "report", write_report)


def _attempt(session: Session, what: str, write: Callable[[Store, Run], Path | None]) -> Path | None:
    try:
        return write(session.store, session.run)
    except Exception as error:
        logging.getLogger(__name__).exception("the %s could not be written", what)
        session.store.warn(
            f"the {what} could not be written ({type(error).__name__}: {error}); the log has the traceback"
        )
        return None
