"""The steps: cached or run, how long, from what."""

from dataclasses import dataclass

from pipeline.execution.records import Execution
from pipeline.reporting.facts import RunFacts
from pipeline.reporting.words import seconds


@dataclass(frozen=True)
class StepRow:
    """One step.

    Attributes:
        node: its name.
        state: cached, run, failed, refused, interrupted or waiting.
        took: how long it took in this run; "" if it did not execute.
        part: of the time of the longest step, from 0 to 1.
        execution: the execution that stands for it.
        inputs: addresses of what it read.
        fingerprint: its cache key, shortened.
    """

    node: str
    state: str
    took: str
    part: float
    execution: str
    inputs: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True)
class ChainView:
    """The section.

    Attributes:
        steps: the steps in their order.
        took: the time of all.
        libraries: the versions that the last step executed with.
    """

    steps: tuple[StepRow, ...]
    took: str
    libraries: dict[str, str]


def build(facts: RunFacts) -> ChainView | None:
    """The chain; None for a run that ended before its first step."""
    steps = facts.run.steps
    if not steps:
        return None
    longest = max((step.seconds for step in steps), default=0.0) or 1.0
    rows = []
    for step in steps:
        execution = facts.executions.get(step.node)
        rows.append(
            StepRow(
                node=step.node,
                state=step.state,
                took=seconds(step.seconds) if step.seconds else "",
                part=step.seconds / longest,
                execution=step.execution,
                inputs=_inputs(facts, execution),
                fingerprint=execution.fingerprint[:12] if execution else "",
            )
        )
    newest = max(facts.executions.values(), key=lambda it: it.id, default=None)
    libraries = dict(newest.libraries) if newest else {}
    return ChainView(tuple(rows), seconds(sum(step.seconds for step in steps)), libraries)


def _inputs(facts: RunFacts, execution: Execution | None) -> tuple[str, ...]:
    """Addresses of what an execution read, without the id where it is that of this run's step."""
    told = []
    for source in execution.inputs.values() if execution else ():
        node, made, output = source.split("/")
        own = facts.executions.get(node)
        told.append(f"{node}/{output}" if own is not None and own.id == made else source)
    return tuple(told)
