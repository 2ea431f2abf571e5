"""Reads the published versions: their numbers, their identities and records, and their damage."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dataplane.artifacts.document import JsonValue
from dataplane.artifacts.identity import Identity
from dataplane.errors import ConfigError, RefusedError, RunError
from dataplane.files.digests import bytes_digest, shortened
from serving.model.descriptions import DESCRIPTION
from serving.model.version_digests import DIGESTS, ROLLBACK, parse_digests
from serving.published.rollbacks import PublishedVersion, RollbackRecord, rebuilt_record
from serving.published.versions import SCANN_SUFFIX, Versions, versions_in


@dataclass(frozen=True)
class Publication:
    """A published pair.

    Attributes:
        version: version of both models.
        exact: path or URI of the exact model.
        scann: path or URI of the ScaNN model.
        new: False if the version existed before.
        withdrawn: whether the model to publish was rolled back, so that this pair is served instead.
        has_other_card: whether the version existed before, with another model card than the one to publish.
        notes: further messages for the user, such as that a damaged version was published again.
    """

    version: int
    exact: str
    scann: str
    new: bool
    withdrawn: bool = False
    has_other_card: bool = False
    notes: tuple[str, ...] = ()


class PublishedVersions:
    """The published versions of one name in one directory."""

    def __init__(self, directory: Path | str, name: str) -> None:
        self.name = name
        self.models = (name, name + SCANN_SUFFIX)
        self.versions_of = versions_in(directory, name)
        self.directory = self.versions_of.location

    def versions(self) -> list[PublishedVersion]:
        """All published versions, oldest first."""
        exact, scann = (self.versions_of.numbers(model) for model in self.models)
        found: list[PublishedVersion] = []
        for version in sorted(exact | scann):
            copies = self._copies(version)
            description = _undamaged(copies, DESCRIPTION).content or {}
            identity, recorded = _object(description.get("identity")), _undamaged(copies, ROLLBACK)
            record = None if recorded.content is None else RollbackRecord.parse(recorded.content)
            is_lost = recorded.is_lost or (recorded.content is not None and record is None)
            found.append(
                PublishedVersion(
                    version=version,
                    complete=version in exact and version in scann,
                    identity=identity,
                    refresh_of=_object(description.get("refresh_of")),
                    rollback=rebuilt_record(found, identity) if is_lost else record,
                )
            )
        return found

    def newest_complete(self) -> PublishedVersion | None:
        """The newest version that both models have, with its identity and record; None if there is none."""
        return next((found for found in reversed(self.versions()) if found.complete), None)

    def identity(self, version: int) -> Identity:
        """The identity of a version of which at least one model exists, from a model that is undamaged.

        Raises:
            RunError: both models are damaged, or this pipeline did not publish them.
        """
        identity, _ = self._identities(version)
        return identity

    def trained_identity(self, version: int) -> Identity:
        """As `identity`; for a refreshed index, the identity of the model that it was refreshed for."""
        identity, refresh_of = self._identities(version)
        return refresh_of or identity

    def _identities(self, version: int) -> tuple[Identity, Identity | None]:
        description = _undamaged(self._copies(version), DESCRIPTION).content or {}
        identity = _object(description.get("identity"))
        if identity is None:
            raise RunError(
                f"version {version} of {self.name} in {self.directory} has no readable identity: the version is "
                "damaged, or this pipeline did not publish it; run the pipeline again"
            )
        return identity, _object(description.get("refresh_of"))

    def damage(self, version: int) -> list[str]:
        """The damage of both models of a version: texts such as `NAME: saved_model.pb is missing`."""
        found = []
        for model in self.models:
            if version in self.versions_of.numbers(model):
                texts = self.versions_of.check(model, version)
                if texts and version in self.versions_of.numbers(model):  # otherwise it was removed meanwhile
                    found += [f"{model}: {text}" for text in texts]
        return found

    def complete(self, version: int, versions: Sequence[PublishedVersion]) -> PublishedVersion:
        """A version that may be served.

        Args:
            version: the wanted number.
            versions: all versions.

        Raises:
            ConfigError: there is no complete version of this number.
            RefusedError: the version is damaged.
        """
        complete = {found.version: found for found in versions if found.complete}
        damage = self.damage(version) if version in complete else []
        if damage:
            raise RefusedError(
                f"{self.name}: version {version} is damaged: {shortened(damage)}; `versions --check` shows which other "
                "versions are whole"
            )
        if version not in complete or complete[version].identity is None:
            listed = ", ".join(str(found.version) for found in complete.values() if found.identity) or "none"
            raise ConfigError(f"{self.name}: no complete version {version} in {self.directory}, only {listed}")
        return complete[version]

    def has_digests(self, version: int) -> bool:
        """Whether the models of a version can be checked; older releases published without digests."""
        models = [model for model in self.models if version in self.versions_of.numbers(model)]
        return all(self.versions_of.read(model, version, DIGESTS) is not None for model in models)

    def fetch(self, version: int) -> tuple[Path, Path]:
        """Local directories of both models of a version, exact and ScaNN; downloads them from an object store.

        Raises:
            RunError: the download failed.
        """
        exact, scann = map(self._source(version), self.models)
        return exact, scann

    def newest(self) -> Publication | None:
        """The newest version that both models have, or None."""
        exact, scann = (self.versions_of.numbers(model) for model in self.models)
        both = exact & scann
        return self._publication(max(both), new=False) if both else None

    def _last(self) -> int:
        """The highest version of either model; 0 if there is none."""
        return max((version for model in self.models for version in self.versions_of.numbers(model)), default=0)

    def _source(self, version: int) -> Callable[[str], Path]:
        return lambda model: self.versions_of.fetch(model, version)

    def _publication(self, version: int, *, new: bool, notes: tuple[str, ...] = ()) -> Publication:
        exact, scann = (self.versions_of.where(model, version) for model in self.models)
        return Publication(version, exact, scann, new, notes=notes)

    def _copies(self, version: int) -> "list[_Copy]":
        return [_Copy(self.versions_of, model, version) for model in self.models]


@dataclass(frozen=True)
class _Content:
    """Content of a file; `is_lost` if the version had the file, but no undamaged copy is left."""

    content: Mapping[str, JsonValue] | None
    is_lost: bool


@dataclass(frozen=True)
class _Copy:
    """One of the two models of a version; some of their files have the same content."""

    versions: Versions
    model: str
    version: int

    @cached_property
    def digests(self) -> bytes | None:
        """Content of `digests.json`."""
        return self.read(DIGESTS)

    @cached_property
    def expected(self) -> Mapping[str, str] | None:
        """Digests by file; None if they are absent or damaged."""
        return None if self.digests is None else parse_digests(self.digests)

    def read(self, file: Path) -> bytes | None:
        """Content of a file."""
        return self.versions.read(self.model, self.version, file)


def _undamaged(copies: Sequence[_Copy], file: Path) -> _Content:
    """A JSON object that both models of a version have, read from an undamaged copy."""
    unchecked, is_lost = None, False
    for copy in copies:
        if copy.expected is not None and file.as_posix() not in copy.expected:
            return _Content(None, is_lost=False)
        content = copy.read(file)
        if copy.digests is None:
            unchecked = unchecked or parsed_object(content)
            continue
        if copy.expected is not None and content and copy.expected[file.as_posix()] == bytes_digest(content):
            return _Content(parsed_object(content), is_lost=False)
        is_lost |= content is not None or copy.expected is not None
    return _Content(unchecked, is_lost=is_lost and unchecked is None)


def parsed_object(content: bytes | None) -> Mapping[str, JsonValue] | None:
    """The JSON object in a file's content; None if there is no content, or it is no JSON object."""
    try:
        return None if content is None else _object(json.loads(content))
    except (ValueError, RecursionError):
        return None


def _object(value: JsonValue) -> Mapping[str, JsonValue] | None:
    return value if isinstance(value, dict) else None
