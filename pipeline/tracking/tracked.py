"""Logs the run of a session at its end. The run stands, whatever becomes of its tracking."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from dataplane.errors import PipelineError
from dataplane.errors.credentials import redacted
from pipeline.execution.session import Session
from pipeline.reporting.collecting import collect

STEP = "Tracking"
_LOG = logging.getLogger(__name__)


@contextmanager
def tracked(session: Session) -> Iterator[None]:
    """Logs a session's run at the end of the block, also after a failure or a refusal, if `tracking` is configured.

    An error in the tracking is a warning: neither the result nor the exit code changes. An interrupted run is not
    logged, so that it ends without delay.
    """
    try:
        yield
    except PipelineError:
        _track(session)
        raise
    _track(session)


def _track(session: Session) -> None:
    uri = session.config.tracking.mlflow
    if uri is None or not session.run.finished:  # not started, for example because another run holds the lock
        return
    from pipeline.tracking.mlflow_run import log_run

    try:
        with session.step(STEP) as facts:
            facts["mlflow"] = log_run(uri, collect(session.store, session.run), session.store.report_file(session.run))
    except Exception as error:
        _LOG.exception("the run could not be tracked")
        reason = redacted(str(error).partition("\n")[0])[:300]
        session.store.warn(
            f"the run is not on {uri} ({type(error).__name__}: {reason}); everything else of the run is complete, and "
            "the log has the traceback"
        )
