"""What follows the last step of a run or a refresh: its report, its figures, its tracking and the messages about it."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.execution.session import Session
from pipeline.monitoring.metered import metered
from pipeline.notifying.notified import notified
from pipeline.reporting.writing import reported
from pipeline.tracking.tracked import tracked


@contextmanager
def ended(session: Session) -> Iterator[None]:
    """Writes report and figures, logs the run and tells of it at the end of the block, however the block ends.

    None of these changes what the run came to.
    """
    with notified(session), tracked(session), metered(session), reported(session):
        yield
