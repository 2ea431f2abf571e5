"""Publishing serving models in TensorFlow Serving's layout: versions that appear whole, in pairs, ever increasing.

    DIRECTORY/NAME/VERSION/         the exact model
    DIRECTORY/NAME-scann/VERSION/   the ScaNN model of the same version
    DIRECTORY/.NAME/                lock file and copies under way

Copies are made under the hidden directory and renamed into place, so that whoever polls never sees half a version.
Two renames make a pair: a process killed between them leaves one half, and the next push of the same identity
completes it under the same version. Everything happens under a file lock, which dies with its holder: what lies in
the staging area when the lock is taken is abandoned.
"""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import RunError

SCANN_SUFFIX = "-scann"
SIGNATURE = "serving_default"
DESCRIPTION = Path("assets.extra") / "model.json"
"""Where in a SavedModel it is told what it is, for readers without TensorFlow."""


@dataclass(frozen=True)
class Publication:
    """A published pair.

    Attributes:
        version: common to both models.
        exact: directory of the exact model.
        scann: directory of the ScaNN model.
        new: False if it had been published before.
    """

    version: int
    exact: Path
    scann: Path
    new: bool


class Publisher:
    """The published versions of one name in one directory."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        self.name = name
        self._hidden = directory / f".{name}"
        self._staging = self._hidden / "staging"

    def publish(self, *, exact: Path, scann: Path, keep_versions: int) -> Publication:
        """Publishes a pair of SavedModels as the newest version, unless it is the newest already.

        Args:
            exact: SavedModel directory to be copied to NAME.
            scann: SavedModel directory to be copied to NAME-scann.
            keep_versions: newest versions that stay, this one included.

        Raises:
            RunError: the two do not have the same identity, or the directory cannot be written.
        """
        identity = read_identity(exact)
        if identity != read_identity(scann):
            raise RunError(f"{exact} and {scann} were not exported together: their identities differ; index again")
        try:
            with self._lock():
                return self._publish({self.name: exact, self.name + SCANN_SUFFIX: scann}, identity, keep_versions)
        except OSError as error:
            raise RunError(f"cannot publish to {self.directory}: {error}") from error

    def newest(self) -> Publication | None:
        """The newest version that both models have, or None."""
        exact, scann = (self._versions(model) for model in (self.name, self.name + SCANN_SUFFIX))
        both = exact & scann
        return self._publication(max(both), new=False) if both else None

    def _publish(self, sources: Mapping[str, Path], identity: Mapping[str, Any], keep_versions: int) -> Publication:
        published = {model: self._versions(model) for model in sources}
        last = max((version for versions in published.values() for version in versions), default=0)
        has_last = [model for model in sources if last in published[model]]
        same = bool(has_last) and all(self._identity(model, last) == identity for model in has_last)
        missing = [model for model in sources if model not in has_last] if same else list(sources)
        version = last if same else max(int(time.time()), last + 1)
        for model in missing:
            _copy(sources[model], self._staging / model)
        for model in missing:
            self._move_into_place(model, version)
        self._retain(keep_versions)
        return self._publication(version, new=bool(missing))

    def _move_into_place(self, model: str, version: int) -> None:
        parent = self.directory / model
        parent.mkdir(exist_ok=True)
        (self._staging / model).rename(parent / str(version))
        _sync(parent)

    def _retain(self, keep_versions: int) -> None:
        for model in (self.name, self.name + SCANN_SUFFIX):
            for version in sorted(self._versions(model))[:-keep_versions]:
                # Renamed first: a version being deleted must not be seen half.
                doomed = self._staging / f"{model}.{version}"
                (self.directory / model / str(version)).rename(doomed)
                shutil.rmtree(doomed)

    def _versions(self, model: str) -> set[int]:
        directory = self.directory / model
        if not directory.is_dir():
            return set()
        return {int(entry.name) for entry in directory.iterdir() if entry.name.isascii() and entry.name.isdigit()}

    def _identity(self, model: str, version: int) -> Mapping[str, Any] | None:
        try:
            return read_identity(self.directory / model / str(version))
        except RunError:
            return None  # not published by us, so not the same either

    def _publication(self, version: int, *, new: bool) -> Publication:
        exact, scann = (self.directory / model / str(version) for model in (self.name, self.name + SCANN_SUFFIX))
        return Publication(version, exact, scann, new)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self._hidden.mkdir(parents=True, exist_ok=True)
        with (self._hidden / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            shutil.rmtree(self._staging, ignore_errors=True)
            self._staging.mkdir()
            try:
                yield
            finally:
                shutil.rmtree(self._staging, ignore_errors=True)


def read_description(model: Path) -> Mapping[str, Any]:
    """What a SavedModel of ours tells about itself.

    `identity`: digests that both models of a pair share. `signatures`: `inputs` of each, their dtype and shape by name
    (see `signature_inputs`). `features`: the specification they come from. `imports`: Python modules to be imported
    before it is loaded. `top_k`, `remove_seen`, `libraries`.

    Raises:
        RunError: the file is not there or not JSON.
    """
    try:
        description: Mapping[str, Any] = json.loads((model / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{model} is not a serving model of this pipeline: {error}") from error
    return description


def signature_inputs(description: Mapping[str, Any], signature: str = SIGNATURE) -> Mapping[str, Mapping[str, Any]]:
    """Dtype and shape of each input of a signature, from what `read_description` returns.

    Raises:
        RunError: the model does not have this signature.
    """
    told = description.get("signatures", {})
    if signature not in told:
        raise RunError(f"the model has no signature '{signature}', only {', '.join(told) or 'none'}; export it again")
    inputs: Mapping[str, Mapping[str, Any]] = told[signature]["inputs"]
    return inputs


def write_description(model: Path, description: Mapping[str, Any]) -> None:
    """Puts into a SavedModel what `read_description` returns."""
    file = model / DESCRIPTION
    file.parent.mkdir(exist_ok=True)
    text = json.dumps(description, indent=2, ensure_ascii=False, allow_nan=False)
    file.write_text(text + "\n", encoding="utf-8")


def read_identity(model: Path) -> Mapping[str, Any]:
    """The digests that both models of a pair share.

    Raises:
        RunError: as `read_description`, or there is none in it.
    """
    identity = read_description(model).get("identity")
    if not isinstance(identity, dict):
        raise RunError(f"{model / DESCRIPTION} tells no identity; export the model again")
    return identity


def directory_digest(directory: Path) -> str:
    """SHA-256 over the names and contents of all files below a directory.

    `fingerprint.pb` is left out: it holds a random number.
    """
    digest = hashlib.sha256()
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != "fingerprint.pb")
    for path in files:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(directory).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target)
    for path in [*target.rglob("*"), target]:
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
