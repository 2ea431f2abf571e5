"""Beam on Google Cloud Dataflow. The project's tests do not run it, because they have no Google Cloud."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from dataplane.beam_runner.base import BeamConfig
from dataplane.errors import ConfigError

if TYPE_CHECKING:
    from apache_beam.runners import DataflowRunner

_BUCKET = r"^gs://[^/]+/.+"


class Dataflow(BeamConfig):
    """Google Cloud Dataflow. Not tested by this project.

    The steps need shared files, and Dataflow's workers have none by default. So `sdk_container_image` must mount the
    file system of the pipeline's root and of the source data under the same path. A run checks first whether the
    workers see the root, and ends if they do not.
    """

    runner: Literal["dataflow"]
    project: str
    """Google Cloud project that is billed."""
    region: str
    """Region of the workers."""
    temp_location: str = Field(pattern=_BUCKET)
    """`gs://` folder for temporary files."""
    staging_location: str | None = Field(default=None, pattern=_BUCKET)
    """`gs://` folder for files that workers need at start-up; defaults to `temp_location`."""
    sdk_container_image: str
    """Worker image that mounts the root, built from `apache/beam_python3.12_sdk` of the same Beam and Python
    version."""
    setup_file: Path | None = None
    """This project's `setup.py`, installed on workers at start-up; leave it out if the image contains the package."""
    machine_type: str | None = None
    """Machine type of the workers."""
    max_num_workers: int = Field(default=1, ge=1)
    """Maximum number of workers."""
    service_account_email: str | None = None
    """Service account of the workers."""
    network: str | None = None
    """Network of the workers."""
    subnetwork: str | None = None
    """Subnetwork of the workers, `regions/REGION/subnetworks/NAME`."""
    use_public_ips: bool = True
    """Whether workers have public IP addresses."""

    def concurrency(self) -> int:
        """At least one bundle per worker."""
        return self.max_num_workers

    def check(self) -> None:
        """Checks Beam's Google Cloud libraries and the setup file."""
        if importlib.util.find_spec("apitools") is None:
            raise ConfigError(
                "beam.runner: dataflow needs Beam's Google Cloud libraries: pip install 'tfrs-pipeline[gcp]'"
            )
        if self.setup_file is not None and not self.setup_file.is_file():
            raise ConfigError(f"beam.setup_file: there is no file {self.setup_file}")

    def check_workers(self, root: Path) -> None:
        """Makes workers read a file below `root`."""
        from dataplane.beam_runner.shared_files import check_shared_files

        check_shared_files(self, root)

    @contextmanager
    def connected(self) -> "Iterator[tuple[DataflowRunner, list[str]]]":
        """Beam's client of Dataflow."""
        from apache_beam.runners import DataflowRunner

        yield DataflowRunner(), self.flags()

    def flags(self) -> list[str]:
        """The settings as flags of Beam's command line."""
        named = self.model_dump(exclude={"runner", "use_public_ips"}, exclude_none=True, mode="json")
        addresses = "--use_public_ips" if self.use_public_ips else "--no_use_public_ips"
        return [*(f"--{name}={value}" for name, value in named.items()), addresses]
