"""Writes the report of a run, beside its record and its log."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataplane.errors import PipelineError
from models.spec.durable import write_atomically
from pipeline.execution.metadata import Run, Store
from pipeline.execution.session import Session
from pipeline.reporting.collecting import collect
from pipeline.reporting.page import render


def write_report(store: Store, run: Run) -> Path:
    """Writes the page of a run anew; returns its file.

    Raises:
        OSError: it cannot be written.
    """
    file = store.report_file(run)
    write_atomically(file, render(collect(store, run)))
    return file


@contextmanager
def reported(session: Session) -> Iterator[None]:
    """Writes the report of a session's run at the end of the block, also where the run failed or was refused.

    A report that cannot be made is a warning. One of a run that was interrupted is not made, for it is to end at once.

    Raises:
        PipelineError: what the block raised, with the file of the report.
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
    """The file of the report; None if it was not made."""
    if not session.run.finished:  # the run did not begin: another one is at work, or a runner is not there
        return None
    try:
        return write_report(session.store, session.run)
    except Exception as error:
        logging.getLogger(__name__).exception("the report could not be made")
        session.store.warn(f"the report could not be made ({type(error).__name__}: {error}); the log has the traceback")
        return None
