"""Checks for Java and starts Beam's job servers."""

import atexit
import logging
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import zipfile
from collections import deque
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from dataplane.beam_runner.addresses import free_port, is_reachable
from dataplane.bound_process import bound
from dataplane.errors import ConfigError, RunError

_OLDEST_JAVA = 11
_START_SECONDS = 60.0
_STOP_SECONDS = 5.0
_LAST_LINES = 200
_BEAM_JARS = Path("~/.apache_beam/cache/jars")
"""Directory where Beam caches the job servers that it has fetched."""
_LOGGER = logging.getLogger(__name__)


def java_command() -> str:
    """The Java command: from JAVA_HOME if set, otherwise from the PATH."""
    home = os.environ.get("JAVA_HOME")
    return str(Path(home, "bin", "java")) if home else "java"


def check_java(required_by: str) -> None:
    """Checks that Java is installed and new enough.

    Raises:
        ConfigError: Java is missing or too old.
    """
    fix = f"install Java {_OLDEST_JAVA} or 17 (Debian: apt-get install openjdk-17-jre-headless) or set JAVA_HOME"
    command = java_command()
    if shutil.which(command) is None:
        raise ConfigError(f"{required_by} needs Java, but there is no command '{command}'; {fix}")
    result = subprocess.run([command, "-version"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r'version "(?:1\.)?(\d+)', result.stderr)
    if found is None:
        raise ConfigError(
            f"{required_by} needs Java, but '{command} -version' printed {result.stderr.strip()[:200]!r}; {fix}"
        )
    if int(found[1]) < _OLDEST_JAVA:
        raise ConfigError(
            f"{required_by} needs Java {_OLDEST_JAVA} or newer, but '{command}' is Java {found[1]}; {fix}"
        )


@dataclass(frozen=True)
class JobServer:
    """A Beam job server. Pipelines of this process share one server process per configuration.

    Attributes:
        artifact: name on Maven Central.
        jar: jar to use instead of the published one.
        java_options: options of Java.
        arguments: arguments besides ports and directories.
    """

    artifact: str
    jar: Path | None
    java_options: tuple[str, ...]
    arguments: tuple[str, ...]

    def check(self) -> Path:
        """Returns the jar; fetches it if it is not cached yet.

        Raises:
            ConfigError: there is no jar.
        """
        if self.jar is None:
            return self._published()
        if not self.jar.is_file():
            raise ConfigError(f"beam.job_server_jar: there is no file {self.jar}")
        if not zipfile.is_zipfile(self.jar):
            raise ConfigError(f"beam.job_server_jar: {self.jar} is not a jar")
        return self.jar

    def endpoint(self) -> str:
        """Address of the running server; starts it if necessary.

        Raises:
            ConfigError: there is no jar.
            RunError: the server does not start.
        """
        running = _running.get(self)
        if running is None or not running.is_alive():
            self.stop()
            running = _running[self] = _Running(self)
        return running.endpoint

    def last_lines(self) -> list[str]:
        """The last output lines of the server; empty if it does not run."""
        running = _running.get(self)
        return [] if running is None else list(running.last_lines)

    def stop(self) -> None:
        """Stops the server, and a cluster that is embedded in it, if it runs."""
        running = _running.pop(self, None)
        if running is not None:
            running.stop()

    def _published(self) -> Path:
        beam_version = version("apache-beam")
        cached = _BEAM_JARS.expanduser() / f"{self.artifact}-{beam_version}.jar"
        if cached.is_file():
            return cached
        from apache_beam.utils.subprocess_server import JavaJarServer

        url = JavaJarServer.path_to_maven_jar(self.artifact, JavaJarServer.BEAM_GROUP_ID, beam_version)
        try:
            return Path(JavaJarServer.local_jar(url))
        except (RuntimeError, OSError) as error:
            raise ConfigError(
                f"beam.job_server_jar: not set, and Beam's own jar cannot be fetched: {error}; set it, or build one "
                "with 'make job-server' and set that"
            ) from None


class _Running:
    """A job server process."""

    def __init__(self, server: JobServer) -> None:
        jar = server.check()
        self._directory = Path(tempfile.mkdtemp(prefix="beam-job-server-"))
        port = free_port()
        self.endpoint = f"localhost:{port}"
        command = [
            java_command(),
            f"-Djava.io.tmpdir={self._directory}",
            *server.java_options,
            "-jar",
            str(jar),
            *server.arguments,
            "--job-host=localhost",
            f"--job-port={port}",
            "--artifact-port=0",
            "--expansion-port=-1",
            f"--artifacts-dir={self._directory / 'artifacts'}",
        ]
        _LOGGER.info("starting %s", " ".join(command))
        self._process = subprocess.Popen(  # noqa: S603
            bound(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches only this process, which then stops the server
        )
        self.last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        threading.Thread(target=self._log, name="job_server_log", daemon=True).start()
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Stops the process and removes its directory."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _wait(self) -> None:
        end = time.monotonic() + _START_SECONDS
        while not is_reachable(self.endpoint):
            if not self.is_alive() or time.monotonic() > end:
                state = "is not ready after a minute" if self.is_alive() else f"ended with {self._process.returncode}"
                raise RunError("\n".join([f"Beam's job server {state}; its last lines:", *list(self.last_lines)[-20:]]))
            time.sleep(0.1)

    def _log(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.last_lines.append(line.rstrip())
            _LOGGER.info("job server: %s", line.rstrip())


_running: dict[JobServer, _Running] = {}


@atexit.register
def _stop_all() -> None:
    for server in list(_running):
        server.stop()
