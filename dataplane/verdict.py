"""What was compared, as a reader sees it: a table, and the checks in words."""

from collections.abc import Mapping, Sequence

from dataplane.artifacts.blessing import Check, Verdict
from dataplane.artifacts.evaluation import Means, Metrics, ServedMetrics, Skipped
from dataplane.text_tables import text_table

_MEASURED_ALIKE = "*"
"""Marks columns measured on the queries, and with the features, that the served model can be asked with."""


def columns(metrics: Metrics) -> dict[str, Means]:
    """The columns of the table: the model, its baselines and the served model, by name."""
    found = {"two-tower": metrics.test}
    found |= {name: values for name, values in metrics.baselines.items() if not isinstance(values, Skipped)}
    published = metrics.published
    if isinstance(published, ServedMetrics):
        alike = all(metrics.test[name] == value for name, value in published.model.items())
        found |= {} if alike else {"two-tower" + _MEASURED_ALIKE: published.model}
        found["served" if alike else "served" + _MEASURED_ALIKE] = published.test
    return found


USELESS = "not_collapsed"
"""Name of the check that no setting turns off: embeddings and scores are finite and differ."""

_CURVE = "see the Trainer's training.json for how the loss went"
_LOOSER = "to publish this model as it is, loosen or turn off (null) what is named in brackets"


def _advice(failed: Sequence[Check]) -> list[str]:
    """What can be done about failed checks."""
    if any(check.name == USELESS for check in failed):
        return [
            f"The training diverged, or a tower is dead ({_CURVE}): lower training.learning_rate, look for extreme",
            "values in numeric and vector features, or change model or loss. No setting publishes such a model.",
        ]
    better = f"What helps: more data or features, another model or training ({_CURVE})"
    return [f"{better}; {_LOOSER}."] if failed else []


def _said(check: Check) -> str:
    """A check in words; one of an older version has none of its own."""
    return check.message or f"{check.name} {check.metric}: {check.value} of {check.threshold}"


def table(columns: Mapping[str, Means], rows: Sequence[str]) -> list[str]:
    """Lines of a table with a row for each metric; "-" where a column has no value."""
    cells = [[f"  {row}", *(_cell(values.get(row)) for values in columns.values())] for row in rows]
    lines = text_table([["Test", *columns], *cells], right=range(1, len(columns) + 1))
    if any(name.endswith(_MEASURED_ALIKE) for name in columns):
        lines.append("  * on the queries and features that the served model can be compared on")
    return lines


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def refusal(verdict: Verdict) -> list[str]:
    """Lines that say why a model is not blessed and what can be done."""
    failed = [check for check in verdict.checks if not check.passed]
    lines = [f"  {_said(check)}" for check in failed]
    lines += [f"  note: {note}" for note in verdict.notes]
    shown = verdict.table
    lines += table(shown, list(dict.fromkeys(row for values in shown.values() for row in values))) if shown else []
    return [*lines, *_advice(failed)]


def summary(verdict: Verdict) -> list[str]:
    """Lines that say what was compared and how it came out."""
    said = [*map(_said, verdict.checks), *(f"note: {note}" for note in verdict.notes)]
    outcome = "blessed" if verdict.blessed else "not blessed"
    return [f"Verdict    {outcome}", *(f"  {line}" for line in said)]
