"""Where the versions of models are: a local directory or an object store, with the same operations on both."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from dataplane.files.storage import is_remote
from serving.published.local_versions import LocalVersions
from serving.published.object_versions import ObjectVersions

SCANN_SUFFIX = "-scann"


class Versions(Protocol):
    """The versions of models in a directory.

    Attributes:
        location: the directory.
    """

    location: str

    def publishing(self) -> AbstractContextManager[None]:
        """Is entered to change anything; RunError if the directory cannot be written."""

    def numbers(self, model: str) -> set[int]:
        """Versions of a model that are there, whole."""

    def read(self, model: str, version: int, file: Path) -> bytes | None:
        """Content of a file of a version; None if it is not there or cannot be read."""

    def check(self, model: str, version: int) -> list[str]:
        """What is damaged in a version, see `version_digests.check_version`."""

    def where(self, model: str, version: int) -> str:
        """Path or URI of a version."""

    def fetch(self, model: str, version: int) -> Path:
        """A local directory with the files of a version."""

    def new_number(self, models: Sequence[str]) -> int:
        """A number above those of all versions of the models, that nobody else gets."""

    def stage(self, model: str, version: int, source: Path, extra: Mapping[Path, bytes | None]) -> None:
        """Copies a SavedModel, not yet to be seen, with the content of some files replaced or taken out."""

    def reveal(self, model: str, version: int) -> None:
        """Makes visible what was staged."""

    def remove(self, model: str, version: int) -> None:
        """Removes a version, so that nobody takes what is left of it for one."""

    def tidy(self, models: Sequence[str], *, suffix: str) -> None:
        """Removes what interrupted publishers of the models left; tells TensorFlow Serving what there is."""

    def note(self) -> bytes | None:
        """What `leave_note` left, if anything."""

    def leave_note(self, content: bytes | None) -> None:
        """Leaves a note that outlives this process, for whoever publishes next; None takes it away."""


def versions_in(directory: Path | str, name: str) -> Versions:
    """The versions in a local directory or, given a URI, in an object store; `name` keeps publishers apart."""
    location = str(directory)
    return ObjectVersions(location, name) if is_remote(location) else LocalVersions(Path(location).absolute(), name)
