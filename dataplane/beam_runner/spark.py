"""Beam on Apache Spark."""

from typing import Literal

from pydantic import Field

from dataplane.beam_runner.addresses import ADDRESS, is_reachable
from dataplane.beam_runner.java import JobServer
from dataplane.beam_runner.portable import PortableConfig
from dataplane.errors import ConfigError

_EMBEDDED = "[local]"
_OPENED = (
    "java.io", "java.lang", "java.lang.invoke", "java.net", "java.nio", "java.util", "java.util.concurrent",
    "java.util.concurrent.atomic", "sun.nio.ch", "sun.security.action", "sun.util.calendar",
)  # fmt: skip
"""Java packages that Spark 3 accesses by reflection; Java 17 must be told to allow this."""


class Spark(PortableConfig):
    """A Spark 3 cluster, or one embedded in the job server."""

    runner: Literal["spark"]
    master: str = Field(default=_EMBEDDED, pattern=rf"^\[local\]$|{ADDRESS}")
    """`host:port` of a standalone cluster's master, or `[local]` for a cluster embedded in the job server."""

    @property
    def cluster(self) -> str | None:
        """The master; None if it is embedded."""
        return None if self.master == _EMBEDDED else self.master

    def job_server(self) -> JobServer:
        """Beam's job server for Spark 3."""
        url = f"local[{self.parallelism}]" if self.cluster is None else f"spark://{self.cluster}"
        options = (*(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED), *self.java_options)
        return JobServer(
            "beam-runners-spark-3-job-server", self.job_server_jar, options, (f"--spark-master-url={url}",)
        )

    def check_cluster(self) -> None:
        """Checks that the master listens."""
        if self.cluster is not None and not is_reachable(self.cluster):
            raise ConfigError(
                f"beam.master: no Spark master listens at {self.master}; give host:port of a standalone cluster's "
                f"master, or '{_EMBEDDED}' for an embedded cluster"
            )
