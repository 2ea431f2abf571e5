"""Reading what is published: which versions there are, what each tells about itself, and whether it is whole."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dataplane.artifacts.document import JsonValue
from dataplane.artifacts.identity import Identity
from dataplane.errors import RunError
from dataplane.files.digests import bytes_digest
from serving.model.descriptions import DESCRIPTION
from serving.model.version_digests import DIGESTS, ROLLBACK, parse_digests
from serving.published.rollbacks import PublishedVersion, RollbackRecord, rebuilt_record
from serving.published.versions import SCANN_SUFFIX, Versions, versions_in


@dataclass(frozen=True)
class Publication:
    """A published pair.

    Attributes:
        version: common to both models.
        exact: path or URI of the exact model.
        scann: path or URI of the ScaNN model.
        new: False if it had been published before.
        withdrawn: whether the model to be published has been rolled back from, so that this one stands.
        notes: what the user is to know besides, such as that a damaged version was published anew.
    """

    version: int
    exact: str
    scann: str
    new: bool
    withdrawn: bool = False
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
            description = _told_in(copies, DESCRIPTION).content or {}
            identity, told = _object(description.get("identity")), _told_in(copies, ROLLBACK)
            record = None if told.content is None else RollbackRecord.parse(told.content)
            is_lost = told.is_lost or (told.content is not None and record is None)
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
        """The newest version that both models have, with what it tells about itself; None if there is none."""
        return next((found for found in reversed(self.versions()) if found.complete), None)

    def identity(self, version: int) -> Identity:
        """The identity of a version that has one of the two models at least, from the half that is whole.

        Raises:
            RunError: both are damaged, or were not published by this pipeline.
        """
        identity, _ = self._identities(version)
        return identity

    def trained_identity(self, version: int) -> Identity:
        """As `identity`, but of a refreshed index that of the model it was refreshed for."""
        identity, refresh_of = self._identities(version)
        return refresh_of or identity

    def _identities(self, version: int) -> tuple[Identity, Identity | None]:
        description = _told_in(self._copies(version), DESCRIPTION).content or {}
        identity = _object(description.get("identity"))
        if identity is None:
            raise RunError(
                f"version {version} of {self.name} in {self.directory} has no identity that can be read: it is "
                "damaged, or was not published by this pipeline; run the pipeline again"
            )
        return identity, _object(description.get("refresh_of"))

    def damage(self, version: int) -> list[str]:
        """What is damaged in the models that have a version: texts such as `NAME: saved_model.pb is missing`."""
        found = []
        for model in self.models:
            if version in self.versions_of.numbers(model):
                texts = self.versions_of.check(model, version)
                if texts and version in self.versions_of.numbers(model):  # not removed while it was looked at
                    found += [f"{model}: {text}" for text in texts]
        return found

    def has_digests(self, version: int) -> bool:
        """Whether the models that have a version can be checked; an older release published without digests."""
        there = [model for model in self.models if version in self.versions_of.numbers(model)]
        return all(self.versions_of.read(model, version, DIGESTS) is not None for model in there)

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

    def _last(self) -> int:
        """The highest version either model has; 0 if none."""
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
    """What was read; `is_lost` if there was something, but no copy is as it was written."""

    content: Mapping[str, JsonValue] | None
    is_lost: bool


@dataclass(frozen=True)
class _Copy:
    """One of the two models of a version, which tell the same in some of their files."""

    versions: Versions
    model: str
    version: int

    @cached_property
    def digests(self) -> bytes | None:
        """Content of `digests.json`."""
        return self.read(DIGESTS)

    @cached_property
    def expected(self) -> Mapping[str, str] | None:
        """Digests by file, if they are there and not damaged."""
        return None if self.digests is None else parse_digests(self.digests)

    def read(self, file: Path) -> bytes | None:
        """Content of a file."""
        return self.versions.read(self.model, self.version, file)


def _told_in(copies: Sequence[_Copy], file: Path) -> _Content:
    """A JSON object that both models of a version have, from one in which it is as it was written."""
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
    """Content of a JSON file; None if there is none, or it is not an object in JSON."""
    try:
        return None if content is None else _object(json.loads(content))
    except (ValueError, RecursionError):
        return None


def _object(value: JsonValue) -> Mapping[str, JsonValue] | None:
    return value if isinstance(value, dict) else None
