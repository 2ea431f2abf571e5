"""Shows a verdict to the reader: a table of metrics, and the checks in words."""

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

_CURVE = "training.json of the Trainer has the curve of the loss"
_LOOSER = "to publish this model unchanged, loosen or turn off (null) the settings in brackets"


def _advice(failed: Sequence[Check]) -> list[str]:
    """Advice about failed checks."""
    if any(check.name == USELESS for check in failed):
        return [
            f"The training diverged, or a tower is dead ({_CURVE}): lower training.learning_rate, check for extreme",
            "values in numeric and vector features, or change model or loss. No setting publishes such a model.",
        ]
    better = f"More data or features, or another model or training, may help ({_CURVE})"
    return [f"{better}; {_LOOSER}."] if failed else []


def check_text(check: Check) -> str:
    """A check in words; checks of older releases have no message."""
    return check.message or f"{check.name} {check.metric}: {check.value} of {check.threshold}"


def table(columns: Mapping[str, Means], rows: Sequence[str]) -> list[str]:
    """Lines of a table with one row per metric; "-" means no value."""
    cells = [[f"  {row}", *(_cell(values.get(row)) for values in columns.values())] for row in rows]
    lines = text_table([["Test", *columns], *cells], right=range(1, len(columns) + 1))
    if any(name.endswith(_MEASURED_ALIKE) for name in columns):
        lines.append("  * on the queries and features that the served model can be compared on")
    return lines


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def refusal(verdict: Verdict) -> list[str]:
    """Lines that explain why a model is not blessed, with advice."""
    failed = [check for check in verdict.checks if not check.passed]
    lines = [f"  {check_text(check)}" for check in failed]
    lines += [f"  note: {note}" for note in verdict.notes]
    shown = verdict.table
    lines += table(shown, list(dict.fromkeys(row for values in shown.values() for row in values))) if shown else []
    return [*lines, *_advice(failed)]


def summary(verdict: Verdict) -> list[str]:
    """Lines with the outcome of every check."""
    lines = [*map(check_text, verdict.checks), *(f"note: {note}" for note in verdict.notes)]
    outcome = "blessed" if verdict.blessed else "not blessed"
    return [f"Verdict    {outcome}", *(f"  {line}" for line in lines)]
