"""Takes the changes of candidates from one published version to the next.

A new version may have been made before its log's last change, so each change is looked for in the new catalogue:

- a candidate that was added and is in the catalogue: taken in, its row in the table counts
- a candidate that was added and is not in the catalogue: goes on as a change of the new version
- a candidate that was removed and is still in the catalogue: stays removed by a change of the new version

The changes that go on are on the disk before the old log is sealed. A process that is killed between the two leaves
the old log open; the next call does it again, and a change that is in the new log already is left as it is there.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from dataplane.artifacts.identity import Identity
from dataplane.errors import RunError
from dataplane.errors.messages import listed
from dataplane.files.locks import exclusive
from serving.changes.change_log import Change, ChangeLog, logged_identity, logged_versions


@dataclass(frozen=True)
class CarriedOver:
    """What became of the changes of older versions.

    Attributes:
        taken_in: number of changes that the new catalogue has.
        added: ids of added candidates that it lacks; they stay in force.
        removed: ids of removed candidates that it has; they stay removed.
    """

    taken_in: int
    added: tuple[str, ...]
    removed: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"{self.taken_in:,} changes of candidates are in the new catalogue"]
        if self.added:
            parts.append(f"{len(self.added):,} added candidates are not, and stay: {listed(self.added)}")
        if self.removed:
            parts.append(f"{len(self.removed):,} removed candidates are, and stay removed: {listed(self.removed)}")
        return "; ".join(parts)


def carry_over(
    directory: Path, version: int, identity: Identity, catalogue: Callable[[], Collection[str]]
) -> CarriedOver | None:
    """Carries the changes of older versions over to a version; None if there are none.

    Args:
        directory: directory of the logs of a model.
        version: number of the newest version.
        identity: its identity.
        catalogue: returns the ids of its candidates; called only if there are changes.

    Raises:
        RefusedError: a log is damaged.
        RunError: the logs cannot be written; the same call completes what is missing.
    """
    if not any(older < version for older in logged_versions(directory)):
        return None
    try:
        with exclusive(directory):
            return _carry_over(directory, ChangeLog(directory, version, identity), catalogue)
    except OSError as error:
        raise RunError(f"the changes of candidates in {directory} cannot be carried over: {error}") from error


def _carry_over(directory: Path, new: ChangeLog, catalogue: Callable[[], Collection[str]]) -> CarriedOver | None:
    open_logs, changes = list[ChangeLog](), dict[str, Change]()
    for version in logged_versions(directory):
        identity = logged_identity(directory, version)
        if version >= new.version or identity is None:
            continue
        log = ChangeLog(directory, version, identity)
        if (found := log.read()).sealed_by is None:
            open_logs.append(log)
            changes |= {change.candidate: change for change in found.changes}
    if not changes:
        return None
    served, later = catalogue(), {change.candidate for change in new.read().changes}
    going_on = [
        change for name, change in changes.items() if name not in later and (name in served) == (change.inputs is None)
    ]
    if going_on:
        new.append_locked({"changes": [change.entry() for change in going_on]})
    for log in open_logs:
        log.seal(new.version)
    return CarriedOver(
        taken_in=len(changes) - len(going_on),
        added=tuple(change.candidate for change in going_on if change.inputs is not None),
        removed=tuple(change.candidate for change in going_on if change.inputs is None),
    )
