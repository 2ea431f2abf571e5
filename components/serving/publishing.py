"""Publishing serving models in TensorFlow Serving's layout: versions that appear whole, in pairs, ever increasing.

    DIRECTORY/NAME/VERSION/         the exact model
    DIRECTORY/NAME-scann/VERSION/   the ScaNN model of the same version
    DIRECTORY/.NAME/                lock file and copies under way
    DIRECTORY/models.config         for TensorFlow Serving: all models in DIRECTORY

Copies are made under the hidden directory and renamed into place, so that whoever polls never sees half a version.
Two renames make a pair: a process killed between them leaves one half, and the next push of the same identity
completes it under the same version.

A rollback publishes the content of an old version as a new one, whose `assets.extra/rollback.json` tells `of` (the old
version), `published` (when) and `withdrawn` (identities of the models that were rolled back from). Those are not
published again by a push: a rollback stands until there is a new model, or another rollback.

Everything happens under a file lock, which dies with its holder: what lies in
the staging area when the lock is taken is abandoned.
"""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.errors import ConfigError, RunError
from components.serving.models_config import write_models_config

SCANN_SUFFIX = "-scann"
SIGNATURE = "serving_default"
DESCRIPTION = Path("assets.extra") / "model.json"
"""Where in a SavedModel it is told what it is, for readers without TensorFlow."""
ROLLBACK = Path("assets.extra") / "rollback.json"
"""Where in a published version it is told that it is an older one's content."""


@dataclass(frozen=True)
class Publication:
    """A published pair.

    Attributes:
        version: common to both models.
        exact: directory of the exact model.
        scann: directory of the ScaNN model.
        new: False if it had been published before.
        withdrawn: whether the model to be published has been rolled back from, so that this one stands.
    """

    version: int
    exact: Path
    scann: Path
    new: bool
    withdrawn: bool = False


@dataclass(frozen=True)
class PublishedVersion:
    """A version as it lies in the directory.

    Attributes:
        version: its number.
        complete: whether both models have it.
        identity: what its models share; None if they were not published by this pipeline.
        rollback: content of its `rollback.json`; None if it was pushed.
    """

    version: int
    complete: bool
    identity: Mapping[str, Any] | None
    rollback: Mapping[str, Any] | None


class Publisher:
    """The published versions of one name in one directory."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        self.name = name
        self._models = (name, name + SCANN_SUFFIX)
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
                standing = self._rollback_record(self._last())
                if standing is not None and identity in standing["withdrawn"]:
                    # Its other half is put beside it if the rollback was killed.
                    sources, identity = self._sources(standing["of"]), self._last_identity()
                    return replace(self._publish(sources, identity, keep_versions), withdrawn=True)
                sources = dict(zip(self._models, (exact, scann), strict=True))
                return self._publish(sources, identity, keep_versions)
        except OSError as error:
            raise RunError(f"cannot publish to {self.directory}: {error}") from error

    def rollback(self, version: int | None, *, keep_versions: int) -> Publication:
        """Publishes the content of an older version as the newest one, unless it is that already.

        Args:
            version: the older version; the newest whose model is another one and was not rolled back from, if None.
            keep_versions: newest versions that stay, the one made here included.

        Raises:
            ConfigError: there is no such version.
            RunError: the directory cannot be written.
        """
        try:
            with self._lock():
                there = {found.version: found for found in self.versions() if found.complete and found.identity}
                target = self._before_newest(list(there.values())) if version is None else version
                if target not in there:
                    listed = ", ".join(map(str, there)) or "none"
                    raise ConfigError(f"{self.name}: no complete version {target} in {self.directory}, only {listed}")
                identity = there[target].identity
                assert identity is not None
                record = {
                    "of": target,
                    "published": datetime.now(UTC).isoformat(timespec="seconds"),
                    "withdrawn": self._withdrawn_by(target, identity),
                }
                return self._publish(self._sources(target), identity, keep_versions, record)
        except OSError as error:
            raise RunError(f"cannot publish to {self.directory}: {error}") from error

    def versions(self) -> list[PublishedVersion]:
        """All published versions, oldest first."""
        exact, scann = (self._versions(model) for model in self._models)
        return [
            PublishedVersion(
                version=version,
                complete=version in exact and version in scann,
                identity=self._identity(self._models[version not in exact], version),
                rollback=self._rollback_record(version),
            )
            for version in sorted(exact | scann)
        ]

    def newest(self) -> Publication | None:
        """The newest version that both models have, or None."""
        exact, scann = (self._versions(model) for model in self._models)
        both = exact & scann
        return self._publication(max(both), new=False) if both else None

    def _publish(
        self,
        sources: Mapping[str, Path],
        identity: Mapping[str, Any],
        keep_versions: int,
        rollback: Mapping[str, Any] | None = None,
    ) -> Publication:
        last = self._last()
        has_last = [model for model in sources if last in self._versions(model)]
        same = bool(has_last) and all(self._identity(model, last) == identity for model in has_last)
        missing = [model for model in sources if model not in has_last] if same else list(sources)
        version = last if same else max(int(time.time()), last + 1)
        record = self._rollback_record(last) if same else rollback
        for model in missing:
            _copy(sources[model], self._staging / model, record)
        for model in missing:
            self._move_into_place(model, version)
        self._retain(keep_versions)
        write_models_config(self.directory, suffix=SCANN_SUFFIX)
        return self._publication(version, new=bool(missing))

    def _move_into_place(self, model: str, version: int) -> None:
        parent = self.directory / model
        parent.mkdir(exist_ok=True)
        (self._staging / model).rename(parent / str(version))
        _sync(parent)

    def _retain(self, keep_versions: int) -> None:
        for model in self._models:
            for version in sorted(self._versions(model))[:-keep_versions]:
                # Renamed first: a version being deleted must not be seen half.
                doomed = self._staging / f"{model}.{version}"
                (self.directory / model / str(version)).rename(doomed)
                shutil.rmtree(doomed)

    def _before_newest(self, there: Sequence[PublishedVersion]) -> int:
        out: list[Any] = []
        for found in reversed(there):
            if not out:
                out = [found.identity, *(found.rollback or {}).get("withdrawn", [])]
            elif found.identity not in out:
                return found.version
        raise ConfigError(f"{self.name}: no version in {self.directory} holds an older model to go back to")

    def _withdrawn_by(self, target: int, identity: Mapping[str, Any]) -> list[Any]:
        """Identities that a rollback to `target` withdraws: of all later versions, and withdrawn before."""
        standing = self._rollback_record(self._last()) or {}
        later: list[Any] = [found.identity for found in self.versions() if found.version > target and found.identity]
        withdrawn: list[Any] = []
        for candidate in [*standing.get("withdrawn", []), *later]:
            if candidate != identity and candidate not in withdrawn:
                withdrawn.append(candidate)
        return withdrawn

    def _rollback_record(self, version: int) -> Mapping[str, Any] | None:
        for model in self._models:
            file = self.directory / model / str(version) / ROLLBACK
            if file.exists():
                record: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
                return record
        return None

    def _last(self) -> int:
        """The highest version either model has; 0 if none."""
        return max((version for model in self._models for version in self._versions(model)), default=0)

    def _last_identity(self) -> Mapping[str, Any]:
        last = self._last()
        return read_identity(next(path for path in self._sources(last).values() if path.is_dir()))

    def _sources(self, version: int) -> dict[str, Path]:
        return {model: self.directory / model / str(version) for model in self._models}

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
        exact, scann = self._sources(version).values()
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
    before it is loaded. `data`: the `split` and `seed` of the events it was fitted to, whether that was the `final` fit
    to all of them, and the time of the last one, `until`. `top_k`, `remove_seen`, `libraries`.

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


def _copy(source: Path, target: Path, rollback: Mapping[str, Any] | None) -> None:
    shutil.copytree(source, target)
    (target / ROLLBACK).unlink(missing_ok=True)
    if rollback is not None:
        (target / ROLLBACK).write_text(json.dumps(rollback, indent=2) + "\n", encoding="utf-8")
    for path in [*target.rglob("*"), target]:
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
