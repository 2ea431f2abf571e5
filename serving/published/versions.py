"""The operations on published versions, the same for a local directory and an object store."""

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
        """Encloses every change; raises RunError if the directory cannot be written."""

    @property
    def changes(self) -> Path | None:
        """Directory of the logs of candidates' changes; None in an object store, which cannot append to a file."""

    def numbers(self, model: str) -> set[int]:
        """The published versions of a model; none is half written."""

    def read(self, model: str, version: int, file: Path) -> bytes | None:
        """Content of a file of a version; None if the file is absent or cannot be read."""

    def check(self, model: str, version: int) -> list[str]:
        """The damage of a version, one text per file; see `version_digests.check_version`."""

    def where(self, model: str, version: int) -> str:
        """Path or URI of a version."""

    def fetch(self, model: str, version: int) -> Path:
        """A local directory with the files of a version; downloads them from an object store."""

    def new_number(self, models: Sequence[str]) -> int:
        """A number above all versions of the models, which no other publisher gets."""

    def stage(self, model: str, version: int, source: Path, extra: Mapping[Path, bytes | None]) -> None:
        """Copies a SavedModel where readers do not see it, with some files replaced or, by None, left out."""

    def reveal(self, model: str, version: int) -> None:
        """Makes a staged version visible."""

    def remove(self, model: str, version: int) -> None:
        """Removes a version; a reader never sees part of it as a version."""

    def tidy(self, models: Sequence[str], *, suffix: str) -> None:
        """Removes what interrupted publishers of the models left, and writes `models.config`."""

    def labels(self) -> dict[str, int]:
        """The version of each label; a version may be gone."""

    def set_label(self, label: str, version: int | None) -> None:
        """Gives a label to a version, so that it survives a crash of the machine; None takes the label away."""

    def note(self) -> bytes | None:
        """Content of the note; None if there is none."""

    def leave_note(self, content: bytes | None) -> None:
        """Leaves a note for the next publisher, which survives this process; None removes the note."""


def versions_in(directory: Path | str, name: str) -> Versions:
    """The versions in a local directory or, given a URI, in an object store.

    Args:
        directory: path or URI of the directory.
        name: name of the models; publishers of different names do not wait for each other.
    """
    location = str(directory)
    return ObjectVersions(location, name) if is_remote(location) else LocalVersions(Path(location).absolute(), name)
