"""Worker processes that are watched: if a worker dies the pipeline ends, and workers end with this process.

Beam would wait forever for the answer of a dead worker, and would leave workers behind if this process is killed.
"""

import contextlib
import os
import shlex
import subprocess
import sys
import threading
from typing import Any

from apache_beam.portability import python_urns
from apache_beam.runners.portability.fn_api_runner.worker_handlers import SubprocessSdkWorkerHandler, WorkerHandler
from google.protobuf import json_format, text_format

from dataplane.bound_process import bound
from dataplane.errors import RunError

_CLOSE_SECONDS = 20.0
"""Time that a worker has to exit after its work is done."""


def watch_workers() -> None:
    """Makes Beam's own runner use watched worker processes."""
    WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)(_WatchedWorkerHandler)


class _WatchedWorkerHandler(SubprocessSdkWorkerHandler):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._started, self._closing = threading.Event(), threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def start_worker(self) -> None:
        # The kernel ends the worker together with the thread that started it, so the thread waits for the worker.
        self.worker_thread = threading.Thread(name="run_worker", target=self._run, daemon=True)
        self.worker_thread.start()
        self._started.wait()

    def close(self) -> None:
        self._closing.set()
        super().close()

    def stop_worker(self) -> None:
        # After an error or an interrupt, the worker's remaining work is not needed and must not write files.
        if sys.exc_info()[0] is None:
            self.worker_thread.join(_CLOSE_SECONDS)
        if self._process is not None:
            self._process.kill()
            self.worker_thread.join()

    def _run(self) -> None:
        command = bound(shlex.split(self._worker_command_line.decode()))
        # A new session, so that Ctrl-C reaches only this process, which then stops the worker.
        try:
            self._process = subprocess.Popen(command, env=self._environment(), start_new_session=True)  # noqa: S603
        finally:
            self._started.set()
        code = self._process.wait()
        if code == 0:
            return
        died = RunError(
            f"a Beam worker process died before its work was done (exit code {code}); if memory is short, the kernel "
            "kills processes: use fewer workers (beam.workers)"
        )
        # Requests that reach the worker after its death must fail too.
        while not self._closing.wait(0.2):
            with contextlib.suppress(RuntimeError):  # another request arrived meanwhile; the next round aborts it
                self.control_conn.abort(died)

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(self.control_api_service_descriptor()),
            "LOGGING_API_SERVICE_DESCRIPTOR": text_format.MessageToString(self.logging_api_service_descriptor()),
            "PIPELINE_OPTIONS": json_format.MessageToJson(self.provision_info.provision_info.pipeline_options),
            "WORKER_ID": self.worker_id,
        }
