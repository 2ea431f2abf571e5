"""Builds the views of the tables: row counts, distributions of columns, and anomalies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from dataplane.artifacts.anomalies import Anomaly
from dataplane.artifacts.statistics import Bucket, ColumnReport, EventsReport, TableReport
from dataplane.sources.spans.words import spans_in_words
from pipeline.reporting.charts.comparisons import Bar, NamedShare, histogram, shares_chart
from pipeline.reporting.facts import RunFacts
from pipeline.reporting.words import microseconds, moment, number, share

_TOP = 6
_MOST_NAMED = 0.02
"""Least share of the most frequent value. Below this share a column holds ids or free text and has no chart."""


@dataclass(frozen=True)
class ColumnView:
    """View of a column.

    Attributes:
        name: of the column.
        kind: its type.
        facts: a line of numbers.
        chart: its distribution; empty for ids and free text.
        anomalies: anomalies of the column.
    """

    name: str
    kind: str
    facts: str
    chart: Markup
    anomalies: tuple[Anomaly, ...]


@dataclass(frozen=True)
class TableView:
    """View of a table.

    Attributes:
        name: of the table.
        rows: row counts in words.
        facts: statistics of interactions, by name.
        columns: views of the columns, those with anomalies first.
        anomalies: anomalies of the whole table.
    """

    name: str
    rows: str
    facts: dict[str, str]
    columns: tuple[ColumnView, ...]
    anomalies: tuple[Anomaly, ...]


@dataclass(frozen=True)
class DataView:
    """View of the data.

    Attributes:
        tables: views of the tables.
        previous: id of the earlier run whose distributions are overlaid; "" without such a run.
        anomalies: number of anomalies.
        accepted: why the run was accepted despite its anomalies; "" if that was not needed.
    """

    tables: tuple[TableView, ...]
    previous: str
    anomalies: int
    accepted: str = ""


def build(facts: RunFacts) -> DataView | None:
    """Builds the view; None without statistics."""
    statistics, other = facts.documents.statistics, facts.other_data
    if statistics is None:
        return None
    before = other.documents.statistics.root if other and other.documents.statistics else {}
    tables = tuple(_table(facts, name, table, before.get(name)) for name, table in statistics.root.items())
    validated = facts.executions.get("ExampleValidator")
    accepted = str(validated.facts.get("accepted", "")) if validated else ""
    return DataView(tables, other.run.id if other else "", len(facts.documents.anomalies), accepted)


def _table(facts: RunFacts, name: str, table: TableReport, before: TableReport | None) -> TableView:
    anomalies = [it for it in facts.documents.anomalies if it.table == name]
    of_column = {column: tuple(it for it in anomalies if it.column == column) for column in table.columns}
    columns = [
        _column(column, report, before.columns.get(column) if before else None, of_column[column])
        for column, report in table.columns.items()
    ]
    of_table = tuple(it for it in anomalies if it.column not in table.columns)
    ordered = sorted(columns, key=lambda column: not column.anomalies)
    told = dict([*_events(table.events), *(_spans(facts) if name == "interactions" else ())])
    return TableView(name, _rows(facts, name, table), told, tuple(ordered), of_table)


def _spans(facts: RunFacts) -> Iterator[tuple[str, str]]:
    execution = facts.executions.get("ExampleGen")
    spans = execution.facts.get("spans") if execution else None
    if isinstance(spans, dict):
        yield "spans", spans_in_words(spans)


def _rows(facts: RunFacts, name: str, table: TableReport) -> str:
    told = f"{number(table.rows)} rows"
    became = facts.documents.rows.tables.get(name) if facts.documents.rows else None
    if became is None:
        return told
    rest = {"unusable": became.dead, "filtered": became.filtered, "merged": became.merged}
    parts = [f"{number(count)} {what}" for what, count in rest.items() if count]
    reasons = [f"{reason}: {number(count)}" for reason, count in became.reasons.items()]
    return ", ".join([told, *parts]) + (f" ({'; '.join(reasons[:5])})" if reasons else "")


def _events(events: EventsReport | None) -> Iterator[tuple[str, str]]:
    if events is None:
        return
    yield "queries", number(events.queries)
    yield "candidates", number(events.candidates)
    yield "density", f"{events.density:.3%}"
    yield "repeats", share(events.repeat_fraction)
    for name, spread in (("query", events.events_per_query), ("candidate", events.events_per_candidate)):
        yield f"events per {name}", f"{number(spread.get('mean'))} on average, median {number(spread.get('0.5'))}"
    if events.first is not None:
        yield "time", f"{moment(events.first)} to {moment(events.last)}"


def _column(name: str, column: ColumnReport, before: ColumnReport | None, anomalies: tuple[Anomaly, ...]) -> ColumnView:
    return ColumnView(name, column.type, ", ".join(_told(column)), _chart(name, column, before), anomalies)


def _told(column: ColumnReport) -> Iterator[str]:
    if column.missing:
        yield f"{share(column.missing_fraction)} missing"
    if column.distinct:
        yield f"{'' if column.exact else 'about '}{number(column.distinct)} distinct"
    if column.nan or column.infinite:
        yield f"{number(column.nan + column.infinite)} NaN or infinite"
    if column.min is not None and column.max is not None and column.type != "bool":
        shown = microseconds if column.type == "timestamp" else number
        yield f"{shown(column.min)} to {shown(column.max)}"
    if column.mean is not None and column.type not in ("timestamp", "bool"):
        yield f"mean {number(column.mean)}"


def _chart(name: str, column: ColumnReport, before: ColumnReport | None) -> Markup:
    if column.type == "bool":
        return _bool_chart(name, column, before)
    if column.histogram:
        temporal = column.type == "timestamp"
        bars = _bars(column.histogram, temporal=temporal)
        old = _bars(before.histogram, temporal=temporal) if before else []
        return histogram(bars, old, label=f"Distribution of {name}", temporal=temporal)
    top = column.top_values or ()
    if not top or not column.elements or top[0].count / column.elements < _MOST_NAMED:
        return Markup()
    counted = {it.value: it.count / column.elements for it in top[:_TOP]}
    old_shares = _top_shares(before)
    return _shares(name, counted, old_shares)


def _bool_chart(name: str, column: ColumnReport, before: ColumnReport | None) -> Markup:
    """Shares of `true` and `false`; the mean of a bool column is the share of `true`."""
    if column.mean is None:
        return Markup()
    shares = {"true": column.mean, "false": 1 - column.mean}
    old = {} if before is None or before.mean is None else {"true": before.mean, "false": 1 - before.mean}
    return _shares(name, shares, old)


def _shares(name: str, shares: Mapping[str, float], before: Mapping[str, float]) -> Markup:
    shown = [
        NamedShare(value or "(empty)", part, before.get(value, 0.0) if before else None)
        for value, part in shares.items()
    ]
    told = ", ".join(f"{it.name} {share(it.share)}" for it in shown)
    return shares_chart(shown, label=f"Most frequent values of {name}: {told}")


def _top_shares(column: ColumnReport | None) -> dict[str, float]:
    if column is None or not column.elements:
        return {}
    return {it.value: it.count / column.elements for it in column.top_values or ()}


def _bars(buckets: tuple[Bucket, ...], *, temporal: bool) -> list[Bar]:
    """Bars with heights per width, because overlaid histograms may have buckets of different widths."""
    total = sum(it.count for it in buckets) or 1
    widest = max((it.high - it.low for it in buckets), default=0.0) or 1.0
    scale, shown = (1e-3, microseconds) if temporal else (1.0, number)
    return [
        Bar(
            it.low * scale,
            (it.high if it.high > it.low else it.low + widest) * scale,
            it.count / total * (widest / (it.high - it.low) if it.high > it.low else 1.0),
            f"{shown(it.low)} to {shown(it.high)}: {number(it.count)}, {share(it.count / total)}",
        )
        for it in buckets
    ]
