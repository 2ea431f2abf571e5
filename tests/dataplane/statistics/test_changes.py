"""What counts as too much of a change from one night's data to the next, and what does not."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dataplane.artifacts.anomalies import Anomaly
from dataplane.artifacts.statistics import TableReport
from dataplane.statistics.change_limits import ChangeLimits
from dataplane.statistics.changes import changes, stale, unit_of, unusual_span
from dataplane.statistics.report import table_report
from dataplane.statistics.table_statistics import TableStatistics
from dataplane.statistics.tfmd import ColumnSchema, parse_schema, schema_text

EVENTS = 4000
DAY = 86_400_000_000
FIRST = 1_790_000_000_000_000
Columns = dict[str, Any]


def day(number: int = 0, events: int = EVENTS) -> Columns:
    """One day's events: the catalogue grows a little, prices and devices vary by chance."""
    rng = np.random.default_rng(number)
    return {
        "query_id": [f"q{it}" for it in rng.integers(0, 500, events)],
        "candidate_id": [f"c{it}" for it in rng.zipf(1.3, events) % (300 + 10 * number)],
        "timestamp": pa.array(FIRST + number * DAY + rng.integers(0, DAY, events), pa.timestamp("us", "UTC")),
        "device": rng.choice(["tv", "phone", "pc"], events, p=[0.5, 0.3, 0.2]).tolist(),
        "price": rng.lognormal(2, 1, events),
        "seen_at": FIRST // 1_000_000 + number * 86_400 + rng.integers(0, 86_400, events),
        "gift": rng.random(events) < 0.1,
        "visits": rng.integers(0, 5, events),
    }


def reported(columns: Columns) -> Mapping[str, TableReport]:
    statistics = TableStatistics()
    statistics.add(pa.record_batch(columns))
    return {"interactions": table_report(statistics)}


BEFORE = reported(day())


def found(columns: Columns, schema: Mapping[str, ColumnSchema] | None = None, **limits: Any) -> list[Anomaly]:
    given = ChangeLimits.model_validate(limits)
    return changes(reported(columns), BEFORE, {"interactions": schema or {}}, given, against="the last accepted data")


def spoilt(change: Callable[[Columns], Columns]) -> Columns:
    columns = day(1)
    return columns | change(columns)


@pytest.mark.parametrize("number", [1, 2, 7])
def test_good_days_pass(number: int) -> None:
    assert found(day(number)) == []
    assert found(day(number, int(1.8 * EVENTS))) == []


def test_an_outlier_is_no_drift() -> None:
    assert found(spoilt(lambda it: {"price": np.append(it["price"][1:], 1e9)})) == []


@pytest.mark.parametrize(
    ("change", "place", "kind", "severity", "text"),
    [
        (
            lambda it: {"device": ["tv"] * EVENTS},
            "interactions.device",
            "drift",
            "warning",
            "the share of 'tv' differs by 0.5",
        ),
        (lambda it: {"device": ["TV", "Phone"] * (EVENTS // 2)}, "interactions.device", "drift", "warning", "'TV'"),
        (lambda it: {"gift": ~it["gift"]}, "interactions.gift", "drift", "warning", "(L-infinity); allowed: 0.3"),
        (lambda it: {"price": 100 * it["price"]}, "interactions.price", "drift", "warning", "Jensen-Shannon"),
        (lambda it: {"visits": np.zeros(EVENTS, int)}, "interactions.visits", "drift", "warning", "Jensen-Shannon"),
        (
            lambda it: {"price": pa.array(it["price"], mask=np.arange(EVENTS) % 5 > 0)},
            "interactions.price",
            "missing_drift",
            "warning",
            "20.0% of the rows have a value instead of 100.0%",
        ),
        (
            lambda it: {"timestamp": pa.array(it["timestamp"].cast("int64").to_numpy() // 1000, pa.timestamp("us"))},
            "interactions.timestamp",
            "time_unit",
            "error",
            "another unit",
        ),
        (
            lambda it: {"seen_at": it["seen_at"] * 1000},
            "interactions.seen_at",
            "time_unit",
            "error",
            "times are in milliseconds instead of seconds",
        ),
        (
            lambda it: {"query_id": [f"user-{name}" for name in it["query_id"]]},
            "interactions.query_id",
            "new_ids",
            "warning",
            "100.0% of the ids are new; allowed: 0.7",
        ),
    ],
)
def test_a_spoilt_column_is_named(
    change: Callable[[Columns], Columns], place: str, kind: str, severity: str, text: str
) -> None:
    (anomaly,) = found(spoilt(change))
    assert (anomaly.place, anomaly.kind, anomaly.severity) == (place, kind, severity)
    assert text in anomaly.message
    assert anomaly.message.endswith(", against the last accepted data")


@pytest.mark.parametrize(
    ("events", "kinds"), [(1900, ["volume"]), (8100, ["volume"]), (2100, []), (7900, []), (3000, [])]
)
def test_half_the_rows_and_twice_the_rows_are_refused(events: int, kinds: list[str]) -> None:
    assert [it.kind for it in found(day(1, events), repeats={"severity": "off"})] == kinds


def test_events_that_were_loaded_twice_are_told() -> None:
    half = pa.table(day(1, EVENTS // 2))
    (anomaly,) = found(pa.concat_tables([half, half]).to_pydict())
    assert (anomaly.kind, anomaly.severity) == ("repeats", "warning")


def test_a_severity_may_be_turned_off_or_up() -> None:
    columns = spoilt(lambda it: {"device": ["tv"] * EVENTS})
    assert found(columns, drift={"severity": False}) == [], "YAML reads off as false"
    assert [it.severity for it in found(columns, drift={"severity": "error"})] == ["error"]


def test_comparators_of_a_pinned_schema_take_the_place_of_limits() -> None:
    text = schema_text({"interactions": {"device": ColumnSchema("string"), "price": ColumnSchema("float64")}})
    text = text.replace(
        '"interactions/device"', '"interactions/device" drift_comparator {infinity_norm {threshold: 0.6}}'
    )
    text = text.replace(
        '"interactions/price"',
        '"interactions/price" drift_comparator {jensen_shannon_divergence {threshold: 0.0001}}',
    )
    schema = parse_schema(text.encode(), "schema.pbtxt")
    assert parse_schema(schema_text(schema).encode(), "again") == schema
    columns = spoilt(lambda it: {"device": ["tv"] * EVENTS})
    (anomaly,) = found(columns, schema["interactions"])
    assert (anomaly.place, anomaly.severity) == ("interactions.price", "error")
    assert "allowed: 0.0001 (drift_comparator in the schema)" in anomaly.message


@pytest.mark.parametrize(("hours", "kinds"), [(1.0, ["stale"]), (30.0, []), (None, [])])
def test_the_newest_event_may_be_too_old(hours: float | None, kinds: list[str]) -> None:
    limits = ChangeLimits.model_validate({"freshness": {"max_hours": hours}}).freshness
    told = stale(BEFORE, limits, datetime.fromtimestamp((FIRST + DAY) / 1e6 + 20 * 3600, UTC))
    assert [it.kind for it in told] == kinds
    assert stale(BEFORE, limits, datetime.fromtimestamp((FIRST + DAY) / 1e6, UTC)) == []


def test_units_of_times() -> None:
    assert [unit_of(1_790_000_000 * 10**power) for power in (0, 3, 6, 9)] == [
        "seconds",
        "milliseconds",
        "microseconds",
        "nanoseconds",
    ]
    assert unit_of(1000.0) == ""


WEEK = {"2026-11-23": 900, "2026-11-24": 1100, "2026-11-25": 1000, "2026-11-28": 500, "2026-11-29": 450}


@pytest.mark.parametrize(
    ("rows", "refused"), [(800, False), (300, False), (2100, False), (200, True), (2300, True), (0, True)]
)
def test_the_newest_span_is_compared_with_the_fewest_and_the_most_of_its_window(rows: int, refused: bool) -> None:
    window = reported(day(1))["interactions"].model_copy(update={"spans": WEEK | {"2026-11-30": rows}})
    told = unusual_span({"interactions": window}, ChangeLimits().volume)
    assert [(it.kind, it.severity) for it in told] == [("volume", "error")] * refused
    few = window.model_copy(update={"spans": {"2026-11-28": 500, "2026-11-29": 450, "2026-11-30": rows}})
    assert unusual_span({"interactions": few}, ChangeLimits().volume) == []


def test_a_window_that_grows_has_no_other_volume() -> None:
    """The second night of a pipeline reads two days, and the first one read one."""
    now = reported(day(1, 3 * EVENTS))["interactions"].model_copy(update={"spans": dict.fromkeys("abc", EVENTS)})
    before = BEFORE["interactions"].model_copy(update={"spans": {"a": EVENTS}})
    given = {"interactions": now}, {"interactions": before}, {"interactions": dict[str, ColumnSchema]()}
    assert changes(*given, ChangeLimits(), against="them") == []
    fewer = before.model_copy(update={"rows": 4 * EVENTS, "spans": {"a": 4 * EVENTS}})
    (anomaly,) = changes(given[0], {"interactions": fewer}, given[2], ChangeLimits(), against="them")
    assert anomaly.message.startswith("4,000 rows a span are 0.25 times 16,000; allowed: 0.5")
