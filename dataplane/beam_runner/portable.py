"""Beam runners written in Java: a job server takes the pipeline, and workers run the Python steps."""

import json
import sys
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from dataplane.beam_runner import java
from dataplane.beam_runner.addresses import ADDRESS, is_reachable, is_this_machine
from dataplane.beam_runner.base import BeamConfig
from dataplane.errors import ConfigError

if TYPE_CHECKING:
    from apache_beam.runners.portability.portable_runner import PortableRunner

WORKER_COMMAND = "tfrs-beam-worker"
"""Console script that starts a worker; setup.py installs it."""


class PortableConfig(BeamConfig):
    """Settings of all runners with a job server.

    The job server is a Java program that this process starts and stops. Like all Java endpoints of Beam, it listens on
    every network interface without a password, so use it only in a trusted network.
    """

    parallelism: int = Field(default=1, ge=1)
    """Number of bundles processed at the same time."""
    environment: Literal["loopback", "process", "external"] = "loopback"
    """Where the Python steps run. `loopback`: in threads of this process. `process`: in processes that the cluster's
    machines start with `worker_command`. `external`: in the worker pool at `worker_pool`."""
    worker_command: Path | None = None
    """Command that starts a worker, for environment `process`: path of `tfrs-beam-worker` on the cluster's machines,
    where this package must be installed. Defaults to the one beside this Python."""
    worker_pool: str | None = Field(default=None, pattern=ADDRESS)
    """`host:port` of the worker pool as seen from the cluster's machines, for environment `external`. Start the pool
    with `python -m apache_beam.runners.worker.worker_pool_main --service_port=PORT
    --container_executable=PATH/tfrs-beam-worker`."""
    sdk_worker_parallelism: int = Field(default=1, ge=1)
    """Workers on each machine of the cluster, for environments other than `loopback`; each uses one core."""
    job_server_jar: Path | None = None
    """Jar of Beam's job server. By default it is fetched once from Maven Central, in the version of this Beam."""
    java_options: tuple[str, ...] = ()
    """Java options of the job server, such as `-Xmx4g`. An embedded cluster uses the same memory."""

    @property
    @abstractmethod
    def cluster(self) -> str | None:
        """`host:port` of the cluster; None if it is embedded in the job server."""

    @abstractmethod
    def job_server(self) -> "java.JobServer":
        """The job server to start."""

    @abstractmethod
    def check_cluster(self) -> None:
        """Checks that a cluster that is not embedded answers and is compatible.

        Raises:
            ConfigError: it does not answer, or is not compatible.
        """

    @property
    def is_here(self) -> bool:
        """Whether the cluster runs on this machine."""
        return self.cluster is None or is_this_machine(self.cluster)

    @model_validator(mode="after")
    def _environment_settings(self) -> Self:
        for name, environment in (("worker_command", "process"), ("worker_pool", "external")):
            if getattr(self, name) is not None and self.environment != environment:
                raise ValueError(f"{name} needs environment: {environment}, not {self.environment}")
        if self.environment == "external" and self.worker_pool is None:
            raise ValueError("environment: external needs worker_pool, the host:port of the pool")
        if self.environment == "loopback" and self.sdk_worker_parallelism > 1:
            raise ValueError("sdk_worker_parallelism needs environment: process or external")
        if self.environment == "loopback" and not self.is_here:
            raise ValueError(
                "environment: loopback runs workers in this process, which a cluster on other machines cannot reach; "
                "allowed: process, external"
            )
        return self

    def concurrency(self) -> int:
        """The configured parallelism."""
        return self.parallelism

    def check(self) -> None:
        """Checks Java, the job server, the cluster, and the worker command or pool."""
        java.check_java(f"beam.runner: {self.runner}")
        if self.environment == "process" and self.is_here:
            self._check_worker_command()
        if self.worker_pool is not None and is_this_machine(self.worker_pool) and not is_reachable(self.worker_pool):
            raise ConfigError(
                f"beam.worker_pool: nothing listens at {self.worker_pool}; start one with 'python -m "
                f"apache_beam.runners.worker.worker_pool_main --service_port={self.worker_pool.rpartition(':')[2]} "
                f"--container_executable={self._worker_command()}'"
            )
        if self.cluster is not None:
            self.check_cluster()
        self.job_server().check()

    def exposure(self) -> str:
        """A warning about the ports of the job server."""
        return (
            f"while steps run on beam.runner: {self.runner}, Beam's job server listens on every network interface of "
            "this machine without a password. Beam has no setting for this, so use it only in a trusted network"
        )

    def check_workers(self, root: Path) -> None:
        """Makes workers that may run elsewhere read a file below `root`."""
        if self.environment == "external" or (self.cluster is not None and self.environment == "process"):
            from dataplane.beam_runner.shared_files import check_shared_files

            check_shared_files(self, root)

    @contextmanager
    def connected(self) -> "Iterator[tuple[PortableRunner, list[str]]]":
        """Beam's client, connected to the job server, which keeps running for later pipelines."""
        import grpc
        from apache_beam.runners.portability.portable_runner import PortableRunner

        server = self.job_server()
        try:
            yield PortableRunner(), [f"--job_endpoint={server.endpoint()}", *self._flags()]
        except grpc.RpcError as error:
            raise RuntimeError("\n".join([str(error), *server.last_lines()])) from error
        finally:
            if sys.exc_info()[0] is not None:
                # Whatever the pipeline still runs must not go on writing files.
                server.stop()

    def _flags(self) -> list[str]:
        flags = {
            "parallelism": self.parallelism,
            "environment_type": self.environment.upper(),
            "sdk_worker_parallelism": self.sdk_worker_parallelism,
            "default_sdk_harness_log_level": "WARN",
        }
        if self.environment == "process":
            flags["environment_config"] = json.dumps({"command": str(self._worker_command())})
        elif self.environment == "external":
            flags["environment_config"] = self.worker_pool
        return [f"--{name}={value}" for name, value in flags.items()]

    def _worker_command(self) -> Path:
        return self.worker_command or Path(sys.executable).with_name(WORKER_COMMAND)

    def _check_worker_command(self) -> None:
        command = self._worker_command()
        if not command.is_file():
            raise ConfigError(
                f"beam.worker_command: there is no {command}; it is part of this package: install the package there "
                "with pip, or set beam.worker_command"
            )
