"""Versions of models in a local directory; a reader sees a whole version or none.

Publishers copy into a hidden staging directory and rename the copy into place. A file lock keeps publishers apart. The
lock ends with its process, so a publisher that takes the lock removes whatever it finds in the staging directory.
"""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from dataplane.errors import RunError
from dataplane.files.locks import exclusive
from models.spec.durable import sync, sync_tree, write_atomically
from serving.model.version_digests import check_version
from serving.published.models_config import labels_directory, local_labels, write_models_config


class LocalVersions:
    """The versions of models in a local directory; see `serving.published.publishing.Versions`.

    Attributes:
        location: the directory.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.location = str(directory)
        self._directory = directory
        self._name = name
        self._hidden = directory / f".{name}"
        self._staging = self._hidden / "staging"
        self._note = self._hidden / "note"

    @property
    def changes(self) -> Path | None:
        """Directory of the logs of candidates' changes; see `serving.changes.change_log`."""
        return self._hidden / "candidates"

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Keeps other publishers out of the block."""
        try:
            _make_directory(self._hidden)
            with exclusive(self._hidden / "lock"):
                shutil.rmtree(self._staging, ignore_errors=True)
                self._staging.mkdir()
                try:
                    yield
                finally:
                    shutil.rmtree(self._staging, ignore_errors=True)
        except OSError as error:
            raise RunError(f"cannot publish to {self._directory}: {error}") from error

    def numbers(self, model: str) -> set[int]:
        """The published versions of a model."""
        directory = self._directory / model
        if not directory.is_dir():
            return set()
        return {int(entry.name) for entry in directory.iterdir() if entry.name.isascii() and entry.name.isdigit()}

    def read(self, model: str, version: int, file: Path) -> bytes | None:
        """Content of a file of a version; None if the file is absent or cannot be read."""
        try:
            return (self.fetch(model, version) / file).read_bytes()
        except OSError:
            return None

    def check(self, model: str, version: int) -> list[str]:
        """The damage of a version, one text per file."""
        return check_version(self.fetch(model, version))

    def where(self, model: str, version: int) -> str:
        """The path of a version."""
        return str(self.fetch(model, version))

    def fetch(self, model: str, version: int) -> Path:
        """The version's directory."""
        return self._directory / model / str(version)

    def new_number(self, models: Sequence[str]) -> int:
        """A number above all versions of the models: the time in Unix seconds, unless the clock is behind."""
        last = max((number for model in models for number in self.numbers(model)), default=0)
        return max(int(time.time()), last + 1)

    def stage(self, model: str, version: int, source: Path, extra: Mapping[Path, bytes | None]) -> None:
        """Copies a SavedModel where readers do not see it, with some files replaced or left out."""
        target = self._staging / f"{model}.{version}"
        shutil.copytree(source, target)
        for file, content in extra.items():
            (target / file).unlink(missing_ok=True)
            if content is not None:
                (target / file).write_bytes(content)
        sync_tree(target)

    def reveal(self, model: str, version: int) -> None:
        """Makes a staged version visible."""
        parent = self._directory / model
        _make_directory(parent)
        (self._staging / f"{model}.{version}").rename(parent / str(version))
        sync(parent)

    def remove(self, model: str, version: int) -> None:
        """Removes a version."""
        # Renamed first, so that no reader sees half a version.
        removed = self._staging / f"{model}.{version}.removed"
        self.fetch(model, version).rename(removed)
        shutil.rmtree(removed)

    def tidy(self, models: Sequence[str], *, suffix: str) -> None:
        """Writes `models.config` and removes the staging directory."""
        write_models_config(self._directory, suffix=suffix)
        shutil.rmtree(self._staging)

    def labels(self) -> dict[str, int]:
        """The version of each label."""
        return local_labels(self._directory, self._name)

    def set_label(self, label: str, version: int | None) -> None:
        """Gives a label to a version; None takes the label away."""
        file = labels_directory(self._directory, self._name) / label
        _make_directory(file.parent)
        for left in file.parent.glob(f".{label}.*"):  # by a writer that was killed
            left.unlink()
        if version is None:
            file.unlink(missing_ok=True)
            sync(file.parent)
        else:
            write_atomically(file, f"{version}\n")

    def note(self) -> bytes | None:
        """Content of the note; None if there is none."""
        return self._note.read_bytes() if self._note.exists() else None

    def leave_note(self, content: bytes | None) -> None:
        """Leaves a note for the next publisher; None removes the note."""
        if content is None:
            self._note.unlink(missing_ok=True)
        else:
            temporary = self._staging / self._note.name
            temporary.write_bytes(content)
            sync(temporary)
            temporary.replace(self._note)
        sync(self._hidden)


def _make_directory(directory: Path) -> None:
    """Makes a directory and its parents, so that they survive a crash of the machine."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync(path.parent)
