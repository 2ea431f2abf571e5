"""Which executions are still needed, and deleting the others."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.metadata import Execution, Run, Store
from pipeline.published import REFRESHED


@dataclass(frozen=True)
class Superfluous:
    """An execution that nothing kept stands on.

    Attributes:
        execution: its record.
        size: bytes of its outputs.
    """

    execution: Execution
    size: int


def superfluous(
    store: Store, *, keep_runs: int, served: Iterable[Execution] = (), published: Iterable[Execution] = ()
) -> list[Superfluous]:
    """Executions that may go, oldest first.

    What stays: all that the newest `keep_runs` finished runs (refreshes of the index do not count) and the newest run,
    finished or not, took or made, and `served`, all this with whatever went into it; and the records `published`.

    Args:
        store: the pipeline's records.
        keep_runs: finished runs of the whole pipeline to keep, at least 1.
        served: the execution that published what is served.
        published: those that published a version that is still there.
    """
    every = {_key(execution): execution for node in store.nodes() for execution in store.executions(node)}
    kept = _with_inputs(every, [*_used(store.runs(), keep_runs), *map(_key, served)])
    kept |= set(map(_key, published))
    gone = [execution for key, execution in every.items() if key not in kept]
    return [Superfluous(execution, sum(execution.files.values())) for execution in sorted(gone, key=lambda it: it.id)]


def remove(store: Store, executions: Iterable[Execution]) -> None:
    """Deletes executions; the caller holds the lock. One that is half deleted when this is killed no longer counts."""
    for execution in executions:
        directory: Path = store.execution_directory(execution.node, execution.id)
        store.withdraw(execution)
        shutil.rmtree(directory)


def _key(execution: Execution) -> tuple[str, str]:
    return execution.node, execution.id


def _used(runs: list[Run], keep_runs: int) -> list[tuple[str, str]]:
    finished = [run for run in runs if run.state == "done" and not _is_refresh(run)][-keep_runs:]
    return [(step.node, step.execution) for run in [*finished, *runs[-1:]] for step in run.steps if step.execution]


def _is_refresh(run: Run) -> bool:
    return any(step.node == REFRESHED for step in run.steps)


def _with_inputs(every: dict[tuple[str, str], Execution], keys: list[tuple[str, str]]) -> set[tuple[str, str]]:
    kept: set[tuple[str, str]] = set()
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key in kept or key not in every:
            continue
        kept.add(key)
        for source in every[key].inputs.values():
            node, execution, _ = source.split("/")
            waiting.append((node, execution))
    return kept
