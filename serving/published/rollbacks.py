"""What a rollback takes out of service, and what one without a VERSION goes back to.

A rollback is a version with a record: `of`, the version it holds the content of, and `withdrawn`, the identities of the
models that were rolled back from. A record speaks of what was published before it: a model that is published anew
afterwards is not withdrawn any more.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, StrictInt, ValidationError

from dataplane.artifacts.document import JsonValue
from dataplane.artifacts.identity import Identity
from serving.model.descriptions import CONTENT

_DIGESTS = ("towers", "preprocessing")


class RollbackRecord(BaseModel):
    """Content of a version's `rollback.json`; what another release wrote beside this is kept."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    of: StrictInt
    """The version that this one holds the content of."""
    published: str | None = None
    """When, ISO 8601; None if the record had to be made again."""
    withdrawn: tuple[Identity, ...]
    """Identities of the models that were rolled back from."""

    @classmethod
    def parse(cls, content: Mapping[str, JsonValue]) -> "RollbackRecord | None":
        """The record in a JSON object; None if there is none."""
        try:
            return cls.model_validate(content)
        except ValidationError:
            return None


@dataclass(frozen=True)
class PublishedVersion:
    """A version as it lies in the directory.

    Attributes:
        version: its number.
        complete: whether both models have it.
        identity: what its models share; None if they were not published by this pipeline, or are damaged there.
        refresh_of: identity of the model whose index was refreshed; None if this one was trained.
        rollback: its record; None if it was pushed.
    """

    version: int
    complete: bool
    identity: Identity | None
    refresh_of: Identity | None
    rollback: RollbackRecord | None


def is_same_model(one: Identity | None, other: Identity | None) -> bool:
    """Whether two identities are of the same model.

    Where one was published by an older release, whose digests depend on more than content, the embeddings of all
    candidates and the settings decide.
    """
    if one is None or other is None or one == other:
        return one is not None and one == other
    if _is_of_content(one) == _is_of_content(other) or "catalogue" not in one:
        return False
    return all(one.get(part) == other.get(part) for part in {*one, *other} - {*_DIGESTS})


def is_withdrawn(identity: Identity | None, record: RollbackRecord | None) -> bool:
    """Whether the record of a rollback, if there is one, names this model among those rolled back from."""
    return record is not None and any(is_same_model(identity, withdrawn) for withdrawn in record.withdrawn)


def withdrawn_by(there: Sequence[PublishedVersion], target: PublishedVersion) -> list[Identity]:
    """Identities that a rollback to `target` withdraws.

    Those that stood withdrawn when `target` was published, those of all later versions, and those that rollbacks
    withdrew since.

    Args:
        there: all versions, oldest first.
        target: one of them.
    """
    named: list[Identity | None] = [*_withdrawn_in(target)]
    for found in there:
        if found.version > target.version:
            named += [found.identity, *_withdrawn_in(found)]
    withdrawn: list[Identity] = []
    for identity in named:
        if identity and not any(is_same_model(identity, other) for other in [target.identity, *withdrawn]):
            withdrawn.append(identity)
    return withdrawn


def to_go_back_to(there: Sequence[PublishedVersion]) -> Iterator[PublishedVersion]:
    """Versions that hold another model than the newest and that no later rollback withdrew, newest first."""
    records: list[RollbackRecord] = []
    for found in reversed(there):
        is_other = found is not there[-1] and not is_same_model(found.identity, there[-1].identity)
        if found.complete and found.identity and is_other and not _named(found.identity, records):
            yield found
        if found.rollback is not None:
            records.append(found.rollback)


def rolled_back_from(there: Sequence[PublishedVersion]) -> list[int]:
    """Complete versions whose model a later rollback withdrew."""
    return [
        found.version
        for place, found in enumerate(there)
        if found.complete and _named(found.identity, [later.rollback for later in there[place + 1 :] if later.rollback])
    ]


def rebuilt_record(earlier: Sequence[PublishedVersion], identity: Identity | None) -> RollbackRecord:
    """The record of a rollback, made again after both copies of it were damaged.

    Args:
        earlier: the versions before it.
        identity: of the rollback; None if it is not known any more, so that all earlier models count as withdrawn.
    """
    same = [found for found in earlier if is_same_model(found.identity, identity)]
    target = same[-1] if same else PublishedVersion(0, False, identity, None, None)
    return RollbackRecord(of=target.version, published=None, withdrawn=tuple(withdrawn_by(earlier, target)))


def _named(identity: Identity | None, records: Sequence[RollbackRecord]) -> bool:
    return any(is_withdrawn(identity, record) for record in records)


def _withdrawn_in(version: PublishedVersion) -> tuple[Identity, ...]:
    return () if version.rollback is None else version.rollback.withdrawn


def _is_of_content(identity: Identity) -> bool:
    return str(identity.get("towers")).startswith(CONTENT)
