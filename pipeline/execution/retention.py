"""Finds and deletes executions that are no longer needed."""

import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from components.trainer import BASE_INPUTS
from pipeline.execution.kept_parts import every_part
from pipeline.execution.metadata import Execution, Run, Store
from pipeline.execution.published import REFRESHED

_Key = tuple[str, str]
"""Node and id of an execution."""


@dataclass(frozen=True)
class UnneededExecution:
    """An execution that no kept execution depends on.

    Attributes:
        node: id of its node.
        id: id of the execution.
        size: size of its outputs in bytes; None if its manifest cannot be read.
    """

    node: str
    id: str
    size: int | None


@dataclass(frozen=True)
class Retention:
    """The executions that may be deleted.

    Attributes:
        unneeded: executions that may be deleted, oldest first.
        unknown: node and id of needed executions whose manifests cannot be read. Their inputs are unknown, so nothing
            older than the newest of them may be deleted.
    """

    unneeded: list[UnneededExecution]
    unknown: list[_Key]


def retention(
    store: Store, *, keep_runs: int, served: Iterable[Execution] = (), published: Iterable[Execution] = ()
) -> Retention:
    """Finds the executions that may be deleted.

    Kept are, with everything they depend on: the executions of the newest `keep_runs` finished runs (not counting index
    refreshes), of the newest run whether finished or not, of runs with unreadable records, and `served`. The executions
    `published` are kept, too, but not their inputs.

    Args:
        store: the pipeline's records.
        keep_runs: number of finished runs of the whole pipeline to keep, at least 1.
        served: executions that made the served model.
        published: executions that published a version that still exists.
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
    unneeded = [UnneededExecution(*key, sizes.get(key)) for key in sorted(gone, key=lambda key: (key[1], key[0]))]
    return Retention(unneeded, unknown)


def remove(store: Store, executions: Iterable[UnneededExecution]) -> None:
    """Deletes executions; the caller holds the lock. The manifest goes first, so a kill leaves no partial execution."""
    for execution in executions:
        store.withdraw(execution.node, execution.id)
        shutil.rmtree(store.execution_directory(execution.node, execution.id))


def unneeded_parts(store: Store, gone: Iterable[UnneededExecution]) -> list[Path]:
    """Parts that no execution has used, besides those that are gone."""
    left_out = {(it.node, it.id) for it in gone}
    kept = [it for node in store.nodes() for it in store.executions(node) if _key(it) not in left_out]
    used = {(it.component, part) for it in kept for part in it.parts}
    return [path for path in every_part(store.directory) if (path.parent.name, path.name) not in used]


def _key(execution: Execution) -> _Key:
    return execution.node, execution.id


def _used(runs: list[Run], keep_runs: int) -> list[_Key]:
    finished = [run for run in runs if run.state == "done" and not _is_refresh(run)][-keep_runs:]
    return [(step.node, step.execution) for run in [*finished, *runs[-1:]] for step in run.steps if step.execution]


def _is_refresh(run: Run) -> bool:
    return any(step.node == REFRESHED for step in run.steps)


def _with_inputs(every: dict[_Key, Execution], keys: Collection[_Key]) -> set[_Key]:
    """The executions and everything they depend on, as far as their manifests are readable.

    Of the model that a warm training started from, only the artifacts that the training read are kept: else a chain of
    warm trainings would be kept as a whole.
    """
    kept, bases = set[_Key](), set[_Key]()
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key in kept:
            continue
        kept.add(key)
        for name, source in every[key].inputs.items() if key in every else ():
            node, execution, _ = source.split("/")
            if name in BASE_INPUTS:
                bases.add((node, execution))
            else:
                waiting.append((node, execution))
    return kept | bases
