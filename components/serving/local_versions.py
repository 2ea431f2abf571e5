"""Versions of models in a directory: whole or not there at all, as a rename makes them.

Copies are made under a hidden directory and renamed into place. Everything happens under a file lock, which dies with
its holder: what lies in the staging area when the lock is taken is abandoned.
"""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.errors import RunError
from components.serving.models_config import write_models_config


class LocalVersions:
    """The versions of models in a local directory; see `components.serving.publishing.Versions`.

    Attributes:
        location: the directory.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.location = str(directory)
        self._directory = directory
        self._hidden = directory / f".{name}"
        self._staging = self._hidden / "staging"

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Keeps other publishers out."""
        try:
            self._hidden.mkdir(parents=True, exist_ok=True)
            with (self._hidden / "lock").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                shutil.rmtree(self._staging, ignore_errors=True)
                self._staging.mkdir()
                try:
                    yield
                finally:
                    shutil.rmtree(self._staging, ignore_errors=True)
        except OSError as error:
            raise RunError(f"cannot publish to {self._directory}: {error}") from error

    def numbers(self, model: str) -> set[int]:
        """Versions that are there."""
        directory = self._directory / model
        if not directory.is_dir():
            return set()
        return {int(entry.name) for entry in directory.iterdir() if entry.name.isascii() and entry.name.isdigit()}

    def read_json(self, model: str, version: int, file: Path) -> Any:
        """A JSON file of a version; None if it is not there or not JSON."""
        try:
            return json.loads((self.fetch(model, version) / file).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def where(self, model: str, version: int) -> str:
        """Where a version is."""
        return str(self.fetch(model, version))

    def fetch(self, model: str, version: int) -> Path:
        """The version's directory."""
        return self._directory / model / str(version)

    def new_number(self, models: Sequence[str]) -> int:
        """A number above those of the models' versions: the time, unless the clock is behind."""
        last = max((number for model in models for number in self.numbers(model)), default=0)
        return max(int(time.time()), last + 1)

    def stage(self, model: str, version: int, source: Path, extra: Mapping[Path, bytes | None]) -> None:
        """Copies a SavedModel, not yet to be seen, with the content of some files replaced or taken out."""
        target = self._staging / f"{model}.{version}"
        shutil.copytree(source, target)
        for file, content in extra.items():
            (target / file).unlink(missing_ok=True)
            if content is not None:
                (target / file).write_bytes(content)
        for path in [*target.rglob("*"), target]:
            _sync(path)

    def reveal(self, model: str, version: int) -> None:
        """Makes visible what was staged."""
        parent = self._directory / model
        parent.mkdir(exist_ok=True)
        (self._staging / f"{model}.{version}").rename(parent / str(version))
        _sync(parent)

    def remove(self, model: str, version: int) -> None:
        """Removes a version."""
        # Renamed first: a version being deleted must not be seen half.
        doomed = self._staging / f"{model}.{version}.removed"
        self.fetch(model, version).rename(doomed)
        shutil.rmtree(doomed)

    def tidy(self, models: Sequence[str], *, suffix: str) -> None:
        """Writes `models.config`."""
        write_models_config(self._directory, suffix=suffix)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
