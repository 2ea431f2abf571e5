"""Explanations as text and as JSON."""

import json
from collections.abc import Iterator
from typing import Any

from dataplane.errors.messages import shown
from dataplane.text_tables import text_table
from pipeline.execution.records import REASONS
from pipeline.provenance.changes import Change, InputArtifact
from pipeline.provenance.explanation import Comparison, Explanation

_SHORT = 12
"""Digits of a digest that are shown."""


def as_text(explanation: Explanation, width: int | None = None) -> Iterator[str]:
    """Lines for a reader, with tables of at most `width` columns."""
    yield _first_line(explanation)
    if explanation.comparison is None:
        return
    comparisons = [explanation.comparison, *explanation.upstream]
    for comparison in comparisons:
        yield from _lines(comparison, width)
    if unrecorded := dict.fromkeys(name for comparison in comparisons for name in comparison.unrecorded):
        yield "Older releases recorded no digests of code and sources, so changes of these cannot be named for:"
        yield from (f"  {name}" for name in unrecorded)


def as_json(explanation: Explanation) -> dict[str, Any]:
    """A JSON object with the same content, and digests in full."""
    comparison, execution = explanation.comparison, explanation.execution
    return {
        "step": explanation.step.node,
        "run": explanation.run.id,
        "state": explanation.step.state,
        "execution": explanation.step.execution,
        "executed_by_run": execution.run if execution else None,
        "reason": explanation.reason,
        "first_execution": explanation.step.state != "cached" and execution is not None and comparison is None,
        "comparison": _comparison(comparison) if comparison else None,
        "upstream": [_comparison(it) for it in explanation.upstream],
    }


def _first_line(explanation: Explanation) -> str:
    step, execution, run = explanation.step, explanation.execution, explanation.run.id
    if step.state == "waiting":
        return f"{step.node} was not reached in run {run}"
    if step.state == "cached":
        by = f" of run {execution.run}" if execution else ", whose record is missing"
        return f"{step.node} was reused in run {run}: its cache key is that of execution {step.execution}{by}"
    told = f"{step.node} was executed in run {run}"
    if step.state != "run":
        told = f"{told} ({step.state})"
    if execution is None:
        return f"{told}; what it was executed with is not recorded, so it cannot be compared"
    if explanation.comparison is None:
        return f"{told}: first execution; no earlier one is recorded"
    if not explanation.reason:
        return f"{told} although its cache key is that of the earlier execution; an older release did not record why"
    return f"{told}: {REASONS.get(explanation.reason, explanation.reason)}"


def _lines(comparison: Comparison, width: int | None) -> Iterator[str]:
    before, after = comparison.before, comparison.after
    yield f"{after.node} {before.id} → {after.id}:"
    rows = [change_row(change) for change in comparison.changes]
    yield from text_table(rows, indent=2, width=width)
    if rows:
        return
    if before.fingerprint == after.fingerprint:
        yield "  no ingredient differs"
    else:
        yield "  nothing that both records hold differs, so code or a source does"


def change_row(change: Change) -> list[str]:
    """A change as cells of a table: kind, name, and how it differs."""
    if change.kind == "input":
        return ["input", change.name, _input_told(change)]
    if change.kind in ("source", "code"):
        return [change.kind, change.name, change.how]
    before, after = (_value(value) for value in (change.before, change.after))
    told = {"added": f"added: {after}", "removed": f"removed: {before}", "changed": f"{before} → {after}"}
    return [change.kind, change.name, told[change.how]]


def _input_told(change: Change) -> str:
    before, after = change.before, change.after
    if before is None or after is None:
        there = after or before
        return f"{change.how}: {there.address}"
    if before.digest and before.digest == after.digest:
        content = f"equal content, {before.digest[:_SHORT]}"
    elif before.digest and after.digest:
        content = f"content {before.digest[:_SHORT]} → {after.digest[:_SHORT]}"
    else:
        content = "content not recorded"
    return f"{_maker(before, change.name)} → {_maker(after, change.name)} ({content})"


def _maker(artifact: InputArtifact, name: str) -> str:
    """Address of an artifact, without the output's name where the input is called alike."""
    return artifact.address.removesuffix(f"/{name}")


def _value(value: Any) -> str:
    return shown(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "step": comparison.node,
        "before": {"execution": comparison.before.id, "run": comparison.before.run},
        "after": {"execution": comparison.after.id, "run": comparison.after.run},
        "changes": [_change(change) for change in comparison.changes],
        "unrecorded": list(comparison.unrecorded),
    }


def _change(change: Change) -> dict[str, Any]:
    before, after = (
        {"artifact": value.address, "digest": value.digest} if isinstance(value, InputArtifact) else value
        for value in (change.before, change.after)
    )
    return {"kind": change.kind, "name": change.name, "how": change.how, "before": before, "after": after}
