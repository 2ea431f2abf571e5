"""Builds the table of steps: state, duration, and inputs."""

from dataclasses import dataclass

from pipeline.execution.records import Execution
from pipeline.reporting.facts import RunFacts
from pipeline.reporting.words import seconds


@dataclass(frozen=True)
class StepRow:
    """Row of a step.

    Attributes:
        node: id of the node.
        state: cached, run, running, failed, refused, interrupted or waiting.
        took: duration in this run; "" if the step did not execute.
        used: processor time and memory of the execution; "" if it is not known.
        part: share of the duration of the longest step, from 0 to 1.
        execution: id of the execution whose outputs the run uses.
        inputs: addresses of the artifacts that the execution read.
        fingerprint: first digits of the cache key.
    """

    node: str
    state: str
    took: str
    used: str
    part: float
    execution: str
    inputs: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True)
class ChainView:
    """View of the chain.

    Attributes:
        steps: rows in the order of the chain.
        took: duration of all steps.
        libraries: library versions of the newest execution.
    """

    steps: tuple[StepRow, ...]
    took: str
    libraries: dict[str, str]


def build(facts: RunFacts) -> ChainView | None:
    """Builds the view; None for a run that ended before its first step."""
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
                state="running" if step is facts.run.step_at_work else step.state,
                took=seconds(step.seconds) if step.seconds else "",
                used=_used(execution),
                part=step.seconds / longest,
                execution=step.execution,
                inputs=_inputs(facts, execution),
                fingerprint=execution.fingerprint[:12] if execution else "",
            )
        )
    newest = max(facts.executions.values(), key=lambda it: it.id, default=None)
    libraries = dict(newest.libraries) if newest else {}
    return ChainView(tuple(rows), seconds(sum(step.seconds for step in steps)), libraries)


def _used(execution: Execution | None) -> str:
    if execution is None or not execution.resources:
        return ""
    used = execution.resources
    return f"{used['cpu_seconds']:.1f} CPU-seconds, {used['peak_memory_bytes'] / 2**20:,.0f} MiB"


def _inputs(facts: RunFacts, execution: Execution | None) -> tuple[str, ...]:
    """Addresses of the inputs; those from executions of this run omit the execution id."""
    told = []
    for source in execution.inputs.values() if execution else ():
        node, made, output = source.split("/")
        own = facts.executions.get(node)
        told.append(f"{node}/{output}" if own is not None and own.id == made else source)
    return tuple(told)
