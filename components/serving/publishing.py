"""Publishing serving models in TensorFlow Serving's layout: versions that appear whole, in pairs, ever increasing.

    DIRECTORY/NAME/VERSION/         the exact model
    DIRECTORY/NAME-scann/VERSION/   the ScaNN model of the same version
    DIRECTORY/.NAME/                what publishers need among themselves
    DIRECTORY/models.config         for TensorFlow Serving: all models in DIRECTORY

DIRECTORY is a local one (`local_versions`) or in an object store (`object_versions`). A version of a model appears at
once, a pair in two steps: a process killed between them leaves one half, and the next push of the same identity
completes it under the same version.

A rollback publishes the content of an old version as a new one, whose `assets.extra/rollback.json` tells `of` (the old
version), `published` (when) and `withdrawn` (identities of the models that were rolled back from). Those are not
published again by a push: a rollback stands until there is a new model, or another rollback.

A refreshed index (`refresh_of` in its description) is published only while the model it refreshes is the newest, or
another refresh of it. It stands for that model: what a rollback withdrew remains withdrawn.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from components.errors import ConfigError, RefusedError, RunError
from components.serving.descriptions import DESCRIPTION, read_description, read_identity
from components.serving.local_versions import LocalVersions
from components.serving.object_versions import ObjectVersions
from components.storage import is_remote

SCANN_SUFFIX = "-scann"
ROLLBACK = Path("assets.extra") / "rollback.json"
"""Where in a published version it is told that it is an older one's content."""


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

    def read_json(self, model: str, version: int, file: Path) -> Any:
        """A JSON file of a version; None if it is not there or not JSON."""

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


def versions_in(directory: Path | str, name: str) -> Versions:
    """The versions in a local directory or, given a URI, in an object store; `name` keeps publishers apart."""
    location = str(directory)
    return ObjectVersions(location, name) if is_remote(location) else LocalVersions(Path(location).absolute(), name)


@dataclass(frozen=True)
class Publication:
    """A published pair.

    Attributes:
        version: common to both models.
        exact: path or URI of the exact model.
        scann: path or URI of the ScaNN model.
        new: False if it had been published before.
        withdrawn: whether the model to be published has been rolled back from, so that this one stands.
    """

    version: int
    exact: str
    scann: str
    new: bool
    withdrawn: bool = False


@dataclass(frozen=True)
class PublishedVersion:
    """A version as it lies in the directory.

    Attributes:
        version: its number.
        complete: whether both models have it.
        identity: what its models share; None if they were not published by this pipeline.
        refresh_of: identity of the model whose index was refreshed; None if this one was trained.
        rollback: content of its `rollback.json`; None if it was pushed.
    """

    version: int
    complete: bool
    identity: Mapping[str, Any] | None
    refresh_of: Mapping[str, Any] | None
    rollback: Mapping[str, Any] | None


class Publisher:
    """The published versions of one name in one directory."""

    def __init__(self, directory: Path | str, name: str) -> None:
        self.name = name
        self.models = (name, name + SCANN_SUFFIX)
        self.versions_of = versions_in(directory, name)
        self.directory = self.versions_of.location

    def publish(self, *, exact: Path, scann: Path, keep_versions: int) -> Publication:
        """Publishes a pair of SavedModels as the newest version, unless it is the newest already.

        Args:
            exact: SavedModel directory to be copied to NAME.
            scann: SavedModel directory to be copied to NAME-scann.
            keep_versions: newest versions that stay, this one included.

        Raises:
            RunError: the two do not have the same identity, or the directory cannot be written.
            RefusedError: it is a refreshed index, and the model it refreshes is not the newest any more.
        """
        identity, refresh_of = read_identity(exact), read_description(exact).get("refresh_of")
        if identity != read_identity(scann):
            raise RunError(f"{exact} and {scann} were not exported together: their identities differ; index again")
        source = {self.models[0]: exact, self.models[1]: scann}.__getitem__
        with self.versions_of.publishing():
            standing = self._rollback_record(self._last())
            if refresh_of is not None:
                self._check_is_newest(refresh_of)
            if standing is not None and identity in standing["withdrawn"]:
                return replace(self._complete_rollback(standing["of"], keep_versions), withdrawn=True)
            return self._publish(source, identity, keep_versions, standing if refresh_of else None)

    def rollback(self, version: int | None, *, keep_versions: int) -> Publication:
        """Publishes the content of an older version as the newest one, unless it is that already.

        Args:
            version: the older version; the newest whose model is another one and was not rolled back from, if None.
            keep_versions: newest versions that stay, the one made here included.

        Raises:
            ConfigError: there is no such version.
            RunError: the directory cannot be written.
        """
        with self.versions_of.publishing():
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
            return self._publish(self._source(target), identity, keep_versions, record)

    def versions(self) -> list[PublishedVersion]:
        """All published versions, oldest first."""
        exact, scann = (self.versions_of.numbers(model) for model in self.models)
        found = []
        for version in sorted(exact | scann):
            description = self._description(self.models[version not in exact], version)
            found.append(
                PublishedVersion(
                    version=version,
                    complete=version in exact and version in scann,
                    identity=description.get("identity"),
                    refresh_of=description.get("refresh_of"),
                    rollback=self._rollback_record(version),
                )
            )
        return found

    def identity(self, version: int) -> Mapping[str, Any]:
        """The identity of a version that has one of the two models at least.

        Raises:
            RunError: it has none, or was not published by this pipeline.
        """
        there = (model for model in self.models if version in self.versions_of.numbers(model))
        identity = next((found for found in (self._identity(model, version) for model in there) if found), None)
        if identity is None:
            raise RunError(f"version {version} of {self.name} in {self.directory} tells no identity; push again")
        return identity

    def fetch(self, version: int) -> tuple[Path, Path]:
        """Local directories of both models of a version, exact and ScaNN; downloaded if it is in an object store.

        Raises:
            RunError: they cannot be.
        """
        exact, scann = map(self._source(version), self.models)
        return exact, scann

    def newest(self) -> Publication | None:
        """The newest version that both models have, or None."""
        exact, scann = (self.versions_of.numbers(model) for model in self.models)
        both = exact & scann
        return self._publication(max(both), new=False) if both else None

    def _publish(
        self,
        source: Callable[[str], Path],
        identity: Mapping[str, Any],
        keep_versions: int,
        rollback: Mapping[str, Any] | None = None,
    ) -> Publication:
        last = self._last()
        has_last = [model for model in self.models if last in self.versions_of.numbers(model)]
        same = bool(has_last) and all(self._identity(model, last) == identity for model in has_last)
        missing = [model for model in self.models if model not in has_last] if same else list(self.models)
        version = last if same else self.versions_of.new_number(self.models)
        record = self._rollback_record(last) if same else rollback
        self._copy({model: source(model) for model in missing}, version, record)
        self._retain(keep_versions)
        self.versions_of.tidy(self.models, suffix=SCANN_SUFFIX)
        return self._publication(version, new=bool(missing))

    def _copy(self, sources: Mapping[str, Path], version: int, rollback: Mapping[str, Any] | None) -> None:
        content = None if rollback is None else (json.dumps(rollback, indent=2) + "\n").encode()
        for model, source in sources.items():
            self.versions_of.stage(model, version, source, {ROLLBACK: content})
        for model in sources:
            self.versions_of.reveal(model, version)

    def _retain(self, keep_versions: int) -> None:
        for model in self.models:
            for version in sorted(self.versions_of.numbers(model))[:-keep_versions]:
                self.versions_of.remove(model, version)

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

    def _complete_rollback(self, version: int, keep_versions: int) -> Publication:
        """The newest version; if it is a rollback that was killed, its other half is put beside it."""
        identity = self.identity(self._last())
        if self._identity(self.name, version) != identity:  # its index was refreshed since, or the source is gone
            return self._publication(self._last(), new=False)
        return self._publish(self._source(version), identity, keep_versions)

    def _check_is_newest(self, refreshed: Mapping[str, Any]) -> None:
        newest = next(reversed(self.versions()), None)
        if newest is None or (newest.refresh_of or newest.identity) != refreshed:
            raise RefusedError(
                f"the model whose index was refreshed is not the newest in {self.directory} any more; refresh again"
            )

    def _rollback_record(self, version: int) -> Mapping[str, Any] | None:
        for model in self.models:
            record: Mapping[str, Any] | None = self.versions_of.read_json(model, version, ROLLBACK)
            if record is not None:
                return record
        return None

    def _last(self) -> int:
        """The highest version either model has; 0 if none."""
        return max((version for model in self.models for version in self.versions_of.numbers(model)), default=0)

    def _source(self, version: int) -> Callable[[str], Path]:
        return lambda model: self.versions_of.fetch(model, version)

    def _identity(self, model: str, version: int) -> Mapping[str, Any] | None:
        return self._description(model, version).get("identity")

    def _description(self, model: str, version: int) -> Mapping[str, Any]:
        """What the model tells about itself; nothing if it was not published by us."""
        description = self.versions_of.read_json(model, version, DESCRIPTION)
        return description if isinstance(description, dict) else {}

    def _publication(self, version: int, *, new: bool) -> Publication:
        exact, scann = (self.versions_of.where(model, version) for model in self.models)
        return Publication(version, exact, scann, new)
