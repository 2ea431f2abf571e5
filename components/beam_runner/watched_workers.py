"""Worker processes whose death ends the pipeline: Beam itself would wait for their answer for ever."""

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import Any

from apache_beam.portability import python_urns
from apache_beam.runners.portability.fn_api_runner.worker_handlers import SubprocessSdkWorkerHandler, WorkerHandler
from apache_beam.runners.portability.local_job_service import SubprocessSdkWorker

from components.errors import RunError

_LOGGER = logging.getLogger(__name__)


@contextlib.contextmanager
def watched_workers() -> Iterator[None]:
    """Makes the worker processes of Beam's own runner watched ones.

    When one dies, Beam's threads that talked to it end with errors that tell nothing new: they go to the log.
    """
    WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)(_WatchedWorkerHandler)
    before, threading.excepthook = threading.excepthook, _log
    try:
        yield
    finally:
        threading.excepthook = before


class _WatchedWorkerHandler(SubprocessSdkWorkerHandler):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._closing = threading.Event()

    def start_worker(self) -> None:
        command = self._worker_command_line
        self.worker = SubprocessSdkWorker(command, self.control_address, self.provision_info, self.worker_id)
        self.worker_thread = threading.Thread(name="run_worker", target=self._run)
        self.worker_thread.start()

    def close(self) -> None:
        self._closing.set()
        super().close()

    def _run(self) -> None:
        try:
            self.worker.run()
        except RuntimeError as error:
            died = RunError(
                f"a Beam worker process died before its work was done ({error}); where memory is short, the kernel "
                "kills processes: run with fewer workers then (beam.workers)"
            )
            # What is asked of the worker afterwards must fail as well, not only what it was doing.
            while not self._closing.wait(0.2):
                with contextlib.suppress(RuntimeError):  # something was asked meanwhile; the next round gets it
                    self.control_conn.abort(died)


def _log(hook: threading.ExceptHookArgs) -> None:
    _LOGGER.info("thread ended", exc_info=hook.exc_value)
