"""Beam on Google Cloud Dataflow. Not run by this project's tests, which have no Google Cloud."""

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
    """Google Cloud Dataflow.

    Never run by this project. Dataflow's workers do not share files with anybody by themselves, and the steps need
    them to: `sdk_container_image` has to mount the file system of the pipeline's root, and of the source data, under
    the same path. A run first looks whether the workers see the root, and ends there if they do not.
    """

    runner: Literal["dataflow"]
    project: str
    """Google Cloud project that pays."""
    region: str
    """Region of the workers."""
    temp_location: str = Field(pattern=_BUCKET)
    """`gs://` folder for temporary files."""
    staging_location: str | None = Field(default=None, pattern=_BUCKET)
    """`gs://` folder for what the workers need to start; by default in `temp_location`."""
    sdk_container_image: str
    """Image of the workers, made from `apache/beam_python3.12_sdk` of this Beam and Python, that mounts the root."""
    setup_file: Path | None = None
    """This project's `setup.py`, installed on workers when they start; leave it out where the image has the package."""
    machine_type: str | None = None
    """Machine type of the workers."""
    max_num_workers: int = Field(default=1, ge=1)
    """Most workers at a time."""
    service_account_email: str | None = None
    """Service account that the workers act as."""
    network: str | None = None
    """Network of the workers."""
    subnetwork: str | None = None
    """Subnetwork of the workers, `regions/REGION/subnetworks/NAME`."""
    use_public_ips: bool = True
    """Whether workers have public addresses."""

    def concurrency(self) -> int:
        """One bundle a worker at least."""
        return self.max_num_workers

    def check(self) -> None:
        """Looks for Beam's Google Cloud libraries and the setup file."""
        if importlib.util.find_spec("apitools") is None:
            raise ConfigError(
                "beam.runner: dataflow needs Beam's Google Cloud libraries: pip install 'apache-beam[gcp]'"
            )
        if self.setup_file is not None and not self.setup_file.is_file():
            raise ConfigError(f"beam.setup_file: there is no file {self.setup_file}")

    def check_workers(self, root: Path) -> None:
        """Has workers look at a file below `root`."""
        from dataplane.beam_runner.shared_files import check_shared_files

        check_shared_files(self, root)

    @contextmanager
    def connected(self) -> "Iterator[tuple[DataflowRunner, list[str]]]":
        """Beam's client of Dataflow."""
        from apache_beam.runners import DataflowRunner

        yield DataflowRunner(), self.flags()

    def flags(self) -> list[str]:
        """What Beam's command line calls these settings."""
        named = self.model_dump(exclude={"runner", "use_public_ips"}, exclude_none=True, mode="json")
        addresses = "--use_public_ips" if self.use_public_ips else "--no_use_public_ips"
        return [*(f"--{name}={value}" for name, value in named.items()), addresses]
