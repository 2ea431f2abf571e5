"""Writes the figures of a run at its end. The run stands, whatever becomes of its figures."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from models.spec.durable import write_atomically
from pipeline.execution.session import Session
from pipeline.monitoring.exposition import exposition
from pipeline.notifying.delivery import UndeliveredError, deliver, send

_LOG = logging.getLogger(__name__)
_SECONDS = 30.0
_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@contextmanager
def metered(session: Session) -> Iterator[None]:
    """Writes the figures of a session's run at the end of the block, also after a failure or a refusal.

    An error is a warning: neither the result nor the exit code changes. An interrupted run writes the file, which takes
    no time, and pushes nothing.
    """
    try:
        yield
    except KeyboardInterrupt:
        _write(session, push=False)
        raise
    except Exception:
        _write(session, push=True)
        raise
    _write(session, push=True)


def _write(session: Session, *, push: bool) -> None:
    metrics, store = session.config.metrics, session.store
    if not session.run.finished or (metrics.textfile is None and metrics.pushgateway is None):
        return
    try:
        text = exposition(store, session.run)
        if metrics.textfile is not None:
            write_atomically(metrics.textfile, text)
    except Exception as error:
        _LOG.exception("the metrics could not be written")
        store.warn(f"the metrics could not be written ({type(error).__name__}: {error}); the log has the traceback")
        return
    if metrics.pushgateway is not None and push:
        address = f"{metrics.pushgateway}/metrics/job/tfrs_pipeline/pipeline/{store.directory.name}"
        put = partial(send, address, text.encode(), content_type=_TYPE, method="PUT")
        try:
            deliver(lambda seconds: put(seconds=seconds), seconds=_SECONDS)
        except UndeliveredError as error:
            store.warn(f"the metrics are not on {metrics.pushgateway}: {error}")
