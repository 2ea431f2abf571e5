"""Why a step was executed or reused in a run."""

from collections.abc import Iterator
from dataclasses import dataclass

from dataplane.errors import ConfigError
from dataplane.errors.messages import listed
from pipeline.execution.metadata import Execution, Run, Step, Store
from pipeline.execution.records import NEW_KEY
from pipeline.provenance.changes import Change, changes, producer_of


@dataclass(frozen=True)
class Comparison:
    """Two executions of one step.

    Attributes:
        node: id of the step.
        before: the earlier execution.
        after: the later execution.
        changes: the ingredients that differ.
    """

    node: str
    before: Execution
    after: Execution
    changes: tuple[Change, ...]

    @property
    def unrecorded(self) -> tuple[str, ...]:
        """`STEP/EXECUTION` of those whose records, of older releases, have no digests of code and sources."""
        both = (self.before, self.after)
        return tuple(f"{it.node}/{it.id}" for it in both if it.code is None or it.external is None)


@dataclass(frozen=True)
class Explanation:
    """Why a step was executed or reused in a run.

    Attributes:
        run: record of the run.
        step: record of the step.
        execution: its execution, finished or not; None if there is none or its record is missing.
        reason: why it was executed, see `pipeline.execution.records.REASONS`; "" if it was not, or is not known.
        comparison: with the newest earlier execution; None if there is none, or the step was reused.
        upstream: the same for each step whose output is a changed input, directly or indirectly.
    """

    run: Run
    step: Step
    execution: Execution | None
    reason: str
    comparison: Comparison | None = None
    upstream: tuple[Comparison, ...] = ()


def explain(store: Store, run: Run, node: str) -> Explanation:
    """Compares the ingredients of a step with those of its newest earlier execution.

    Args:
        store: the pipeline's records.
        run: the run.
        node: id of the step.

    Raises:
        ConfigError: the run has no such step.
    """
    step = next((step for step in run.steps if step.node == node), None)
    if step is None:
        steps = listed([step.node for step in run.steps]) or "none"
        raise ConfigError(f"run {run.id} has no step '{node}'; its steps are {steps}")
    execution = step.unfinished or (store.execution(node, step.execution) if step.execution else None)
    if execution is None or step.state == "cached":
        return Explanation(run, step, execution, step.reason)
    earlier = [other for other in store.executions(node) if other.id < execution.id]
    if not earlier:
        return Explanation(run, step, execution, step.reason or NEW_KEY)
    comparison = compare(store, earlier[-1], execution)
    reason = step.reason or ("" if earlier[-1].fingerprint == execution.fingerprint else NEW_KEY)
    return Explanation(run, step, execution, reason, comparison, tuple(_upstream(store, comparison)))


def compare(store: Store, before: Execution, after: Execution) -> Comparison:
    """Compares two executions of a step."""
    return Comparison(after.node, before, after, changes(store, before, after))


def _upstream(store: Store, comparison: Comparison) -> Iterator[Comparison]:
    seen, waiting = set[tuple[str, str]](), [comparison]
    while waiting:
        current = waiting.pop(0)
        for change in current.changes:
            old, new = (producer_of(store, it, change.name) for it in (current.before, current.after))
            if change.kind != "input" or old is None or new is None or old.id == new.id or (old.id, new.id) in seen:
                continue
            seen.add((old.id, new.id))
            waiting.append(compare(store, old, new))
            yield waiting[-1]
