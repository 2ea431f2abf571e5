"""Beam on Apache Flink."""

import json
import urllib.request
from typing import Any, Literal

from pydantic import Field

from dataplane.beam_runner.addresses import ADDRESS
from dataplane.beam_runner.java import JobServer
from dataplane.beam_runner.portable import PortableConfig
from dataplane.errors import ConfigError

_EMBEDDED = "[local]"
_SECONDS = 2.0


class Flink(PortableConfig):
    """A Flink cluster, or one embedded in the job server."""

    runner: Literal["flink"]
    master: str = Field(default=_EMBEDDED, pattern=rf"^\[local\]$|{ADDRESS}")
    """`host:port` of the cluster's REST endpoint, or `[local]` for a cluster embedded in the job server."""
    flink_version: Literal["1.19", "1.20", "2.0", "2.1", "2.2"] = "1.19"
    """Flink version of the job server; a cluster must have the same version."""

    @property
    def cluster(self) -> str | None:
        """The master; None if it is embedded."""
        return None if self.master == _EMBEDDED else self.master

    def job_server(self) -> JobServer:
        """Beam's job server for this version of Flink."""
        artifact = f"beam-runners-flink-{self.flink_version}-job-server"
        return JobServer(artifact, self.job_server_jar, self.java_options, (f"--flink-master={self.master}",))

    def check_cluster(self) -> None:
        """Checks the Flink version and the number of task slots."""
        overview = self._overview()
        found, slots = str(overview.get("flink-version")), int(overview.get("slots-total", 0))
        if not found.startswith(f"{self.flink_version}."):
            raise ConfigError(
                f"beam.flink_version is {self.flink_version}, but the cluster at {self.master} runs Flink {found}"
            )
        if slots < self.parallelism:
            raise ConfigError(
                f"beam.parallelism is {self.parallelism}, but the cluster at {self.master} has {slots} task slots"
            )

    def _overview(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://{self.master}/overview", timeout=_SECONDS) as answer:
                overview: dict[str, Any] = json.load(answer)
                return overview
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise ConfigError(
                f"beam.master: no Flink cluster answers at http://{self.master}/overview: {reason}; give host:port of "
                f"its REST endpoint, or '{_EMBEDDED}' for an embedded cluster"
            ) from None
