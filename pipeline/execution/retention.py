"""Which executions are still needed, and deleting the others."""

import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pipeline.execution.metadata import Execution, Run, Store
from pipeline.execution.published import REFRESHED

_Key = tuple[str, str]
"""Node and id of an execution."""


@dataclass(frozen=True)
class Superfluous:
    """An execution that nothing kept stands on.

    Attributes:
        node: id of its node.
        id: its own id.
        size: bytes of its outputs; None if its manifest cannot be read.
    """

    node: str
    id: str
    size: int | None


@dataclass(frozen=True)
class Retention:
    """What may go and what must stay.

    Attributes:
        superfluous: executions that may go, oldest first.
        unknown: executions that are needed but whose manifests cannot be read. What they stand on is not known, so
            nothing older than the newest of them is superfluous.
    """

    superfluous: list[Superfluous]
    unknown: list[_Key]


def retention(
    store: Store, *, keep_runs: int, served: Iterable[Execution] = (), published: Iterable[Execution] = ()
) -> Retention:
    """Tells which executions may go.

    What stays: all that the newest `keep_runs` finished runs (refreshes of the index do not count) and the newest run,
    finished or not, took or made, what runs with unreadable records made, and `served`, all this with whatever went
    into it; and the records `published`.

    Args:
        store: the pipeline's records.
        keep_runs: finished runs of the whole pipeline to keep, at least 1.
        served: executions that what is served was made by.
        published: those that published a version that is still there.
    """
    every = {_key(execution): execution for node in store.nodes() for execution in store.executions(node)}
    unreadable = {(it.node, it.id): it for node in store.nodes() for it in store.unreadable(node)}
    forgotten = set(store.unreadable_runs())
    made = [_key(execution) for execution in every.values() if execution.run in forgotten]
    kept = _with_inputs(every, [*_used(store.runs(), keep_runs), *made, *map(_key, served)])
    unknown = sorted(kept & unreadable.keys(), key=lambda key: key[1])
    newest_unknown = unknown[-1][1] if unknown else ""
    stays = kept | set(map(_key, published)) | {key for key, it in unreadable.items() if not it.lost}
    gone = [key for key in every.keys() | unreadable.keys() if key not in stays and key[1] > newest_unknown]
    sizes = {key: sum(execution.files.values()) for key, execution in every.items()}
    superfluous = [Superfluous(*key, sizes.get(key)) for key in sorted(gone, key=lambda key: (key[1], key[0]))]
    return Retention(superfluous, unknown)


def remove(store: Store, executions: Iterable[Superfluous]) -> None:
    """Deletes executions; the caller holds the lock. One that is half deleted when this is killed no longer counts."""
    for execution in executions:
        store.withdraw(execution.node, execution.id)
        shutil.rmtree(store.execution_directory(execution.node, execution.id))


def _key(execution: Execution) -> _Key:
    return execution.node, execution.id


def _used(runs: list[Run], keep_runs: int) -> list[_Key]:
    finished = [run for run in runs if run.state == "done" and not _is_refresh(run)][-keep_runs:]
    return [(step.node, step.execution) for run in [*finished, *runs[-1:]] for step in run.steps if step.execution]


def _is_refresh(run: Run) -> bool:
    return any(step.node == REFRESHED for step in run.steps)


def _with_inputs(every: dict[_Key, Execution], keys: Collection[_Key]) -> set[_Key]:
    """The executions with all that they stand on, as far as their manifests are there."""
    kept: set[_Key] = set()
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key in kept:
            continue
        kept.add(key)
        for source in every[key].inputs.values() if key in every else ():
            node, execution, _ = source.split("/")
            waiting.append((node, execution))
    return kept
