"""Decides which models a rollback withdraws, and which version a rollback without a VERSION publishes.

A rollback is a version with a record. The record names the version whose content it has (`of`), and the identities of
the models that it withdraws (`withdrawn`). A record applies to versions published before it. A model that is published
again afterwards is no longer withdrawn.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, StrictInt, ValidationError

from dataplane.artifacts.document import JsonValue
from dataplane.artifacts.identity import Identity
from serving.model.descriptions import CONTENT

_DIGESTS = ("towers", "preprocessing")


class RollbackRecord(BaseModel):
    """Content of a version's `rollback.json`; keys of other releases are kept."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    of: StrictInt
    """The version whose content this one has."""
    published: str | None = None
    """Moment of the rollback, ISO 8601; None if the record was lost and rebuilt."""
    withdrawn: tuple[Identity, ...]
    """Identities of the models that the rollback withdraws."""

    @classmethod
    def parse(cls, content: Mapping[str, JsonValue]) -> "RollbackRecord | None":
        """The record in a JSON object; None if the object is no record."""
        try:
            return cls.model_validate(content)
        except ValidationError:
            return None


@dataclass(frozen=True)
class PublishedVersion:
    """A version in the directory.

    Attributes:
        version: number of the version.
        complete: whether both models have the version.
        identity: identity of both models; None if it is damaged, or this pipeline did not publish them.
        refresh_of: identity of the model whose index was refreshed; None if the model was trained.
        rollback: record of the rollback; None if the version was pushed.
    """

    version: int
    complete: bool
    identity: Identity | None
    refresh_of: Identity | None
    rollback: RollbackRecord | None


def is_same_model(one: Identity | None, other: Identity | None) -> bool:
    """Whether two identities belong to the same model.

    Digests of older releases depend on more than content. If one identity comes from an older release, the embeddings
    of all candidates and the settings are compared instead.
    """
    if one is None or other is None or one == other:
        return one is not None and one == other
    if _is_of_content(one) == _is_of_content(other) or "catalogue" not in one:
        return False
    return all(one.get(part) == other.get(part) for part in {*one, *other} - {*_DIGESTS})


def is_withdrawn(identity: Identity | None, record: RollbackRecord | None) -> bool:
    """Whether the record of a rollback, if there is one, withdraws a model."""
    return record is not None and any(is_same_model(identity, withdrawn) for withdrawn in record.withdrawn)


def withdrawn_by(versions: Sequence[PublishedVersion], target: PublishedVersion) -> list[Identity]:
    """Identities that a rollback to `target` withdraws.

    These are the identities that were withdrawn when `target` was published, those of all later versions, and those
    that later rollbacks withdrew.

    Args:
        versions: all versions, oldest first.
        target: one of the versions.
    """
    named: list[Identity | None] = [*_withdrawn_in(target)]
    for found in versions:
        if found.version > target.version:
            named += [found.identity, *_withdrawn_in(found)]
    withdrawn: list[Identity] = []
    for identity in named:
        if identity and not any(is_same_model(identity, other) for other in [target.identity, *withdrawn]):
            withdrawn.append(identity)
    return withdrawn


def rollback_targets(versions: Sequence[PublishedVersion]) -> Iterator[PublishedVersion]:
    """Yields the versions that a rollback may publish, newest first.

    They have another model than the newest version, and no later rollback withdrew their model.
    """
    records: list[RollbackRecord] = []
    for found in reversed(versions):
        is_other = found is not versions[-1] and not is_same_model(found.identity, versions[-1].identity)
        if found.complete and found.identity and is_other and not _is_named(found.identity, records):
            yield found
        if found.rollback is not None:
            records.append(found.rollback)


def withdrawn_versions(versions: Sequence[PublishedVersion]) -> list[int]:
    """Numbers of the complete versions whose model a later rollback withdrew."""
    withdrawn = []
    for place, found in enumerate(versions):
        later = [other.rollback for other in versions[place + 1 :] if other.rollback]
        if found.complete and _is_named(found.identity, later):
            withdrawn.append(found.version)
    return withdrawn


def rebuilt_record(earlier: Sequence[PublishedVersion], identity: Identity | None) -> RollbackRecord:
    """Rebuilds the record of a rollback after both copies of the record were damaged.

    Args:
        earlier: the versions before the rollback.
        identity: identity of the rollback; None if it is lost too. Then all earlier models count as withdrawn.
    """
    same = [found for found in earlier if is_same_model(found.identity, identity)]
    target = same[-1] if same else PublishedVersion(0, False, identity, None, None)
    return RollbackRecord(of=target.version, published=None, withdrawn=tuple(withdrawn_by(earlier, target)))


def _is_named(identity: Identity | None, records: Sequence[RollbackRecord]) -> bool:
    return any(is_withdrawn(identity, record) for record in records)


def _withdrawn_in(version: PublishedVersion) -> tuple[Identity, ...]:
    return () if version.rollback is None else version.rollback.withdrawn


def _is_of_content(identity: Identity) -> bool:
    return str(identity.get("towers")).startswith(CONTENT)
