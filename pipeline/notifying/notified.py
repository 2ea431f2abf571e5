"""Tells at a run's end how it ended. The run stands, whatever becomes of the message."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from dataplane.errors.credentials import redacted
from pipeline.config.notify_config import NotifyConfig, without_path
from pipeline.execution.session import Session
from pipeline.notifying.delivery import UndeliveredError, deliver, run_command, send
from pipeline.notifying.payload import outcome_of, payload

STEP = "Notification"
_JSON = "application/json"
_LOG = logging.getLogger(__name__)


@contextmanager
def notified(session: Session) -> Iterator[None]:
    """Tells the outcome of a session's run at the end of the block, if `notify` is configured for that outcome.

    A message that cannot be delivered is a warning: neither the result nor the exit code changes. An interrupted run
    is not told, so that it ends without delay.
    """
    notify = session.config.notify
    try:
        yield
    except Exception as error:
        _tell(session, notify, error)
        raise
    _tell(session, notify, None)


def _tell(session: Session, notify: NotifyConfig, error: Exception | None) -> None:
    if notify.webhook is None and not notify.command:
        return
    try:
        ended = outcome_of(session.store, session.run, error)
        if ended is None or ended not in notify.on:
            return
        message = payload(session.store, session.run, ended, error)
    except Exception as fault:
        _LOG.exception("the message about the run could not be made")
        session.store.warn(f"nobody was notified: {type(fault).__name__}; the log has the traceback")
        return
    body = json.dumps(message, ensure_ascii=False).encode()
    if notify.webhook is not None:
        _deliver(
            session,
            without_path(notify.webhook),
            lambda seconds: send(_address(notify), body, seconds=seconds, content_type=_JSON),
        )
    if notify.command:
        _deliver(session, notify.command[0], partial(run_command, notify.command, body))


def _deliver(session: Session, receiver: str, attempt: Callable[[float], None]) -> None:
    try:
        with session.step(STEP) as facts:
            facts["told"] = receiver
            deliver(attempt, seconds=session.config.notify.max_seconds)
    except UndeliveredError as error:
        session.store.warn(f"{receiver} was not notified of the run's end: {redacted(str(error))}")


def _address(notify: NotifyConfig) -> str:
    try:
        return notify.address
    except ValueError as error:
        raise UndeliveredError(str(error), may_pass=False) from None
