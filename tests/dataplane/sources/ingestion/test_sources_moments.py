"""Timestamps of databases, logs and spreadsheets."""

import json
import re
from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa
import pytest

from dataplane.errors import DataError
from tests.components.source_runs import PAIR, Run, csv
from tests.e2e.conftest import cli
from tests.paths import SHARED

CASE = SHARED / "cases" / "timestamps-of-databases"
SECOND = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AT = {**PAIR, "timestamp": "at"}


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


FORMATTED = ["02/Jan/2026:03:04:05 +0000", "03/Jan/2026:03:04:05.5 +0000", "n/a", "4 January"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_date_formats_hold_for_every_format(run, kind):
    rows = [{"u": "a", "i": f"x{n}", "at": at, "seen": "20260102"} for n, at in enumerate(FORMATTED)]
    if kind == "csv":
        lines = "".join(f"{row['u']},{row['i']},{row['at']},{row['seen']}\n" for row in rows)
        run.write("events.csv", "u,i,at,seen\n" + lines)
    elif kind == "jsonl":
        run.write("events.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    else:
        run.parquet("events.parquet", {name: [row[name] for row in rows] for name in rows[0]})
    formats = {"at": "%d/%b/%Y:%H:%M:%S %z", "seen": "%Y%m%d"}
    source = {"format": kind, "path": f"events.{kind}", "columns": AT, "date_formats": formats}
    run(interactions=source, max_bad_fraction=0.8)
    assert run.rows("interactions") == [
        {"query_id": "a", "candidate_id": "x0", "timestamp": SECOND, "seen": datetime(2026, 1, 2, tzinfo=UTC)}
    ]
    assert [(letter["row"], letter["reason"]) for letter in run.rows("dead_letters", "row")] == [
        (1, "timestamp cannot be read as %d/%b/%Y:%H:%M:%S %z"), (2, "timestamp is empty"),
        (3, "timestamp cannot be read as %d/%b/%Y:%H:%M:%S %z"),
    ]  # fmt: skip
    with pytest.raises(DataError, match=r"such as '03/Jan/2026:03:04:05.5 \+0000' in events.* row 1.*") as error:
        run(interactions=source)
    assert "set its format in 'date_formats'" in str(error.value)


def test_the_format_wins_over_iso_in_json(run):
    for name, day in (("x", "2026-02-01"), ("y", "2026-13-01")):
        run.write(f"{name}.jsonl", json.dumps({"u": "a", "i": name, "at": day}))
    run(interactions={"format": "jsonl", "path": "*.jsonl", "columns": AT, "date_formats": {"at": "%Y-%d-%m"}})
    days = {row["candidate_id"]: row["timestamp"].date() for row in run.rows("interactions")}
    assert days == {"x": date(2026, 1, 2), "y": date(2026, 1, 13)}


def test_numbers_with_a_date_format(run):
    run.parquet("events.parquet", {"u": ["a"], "i": ["x"], "at": [20260102030405]})
    source = {"format": "parquet", "path": "events.parquet", "columns": AT, "date_formats": {"at": "%Y%m%d%H%M%S"}}
    run(interactions=source)
    assert run.rows("interactions")[0]["timestamp"] == SECOND
    run.parquet("events.parquet", {"u": ["a"], "i": ["x"], "at": [SECOND]})
    with pytest.raises(DataError, match=r"'at' holds timestamp .*not text; remove it from 'date_formats'"):
        run(interactions=source)


@pytest.mark.parametrize("role", [True, False])
def test_timestamps_outside_the_calendar_are_dead_letters(run, role):
    far = pa.array([1_767_323_045, 253_402_300_800, -(10**14), None], pa.timestamp("s"))
    run.parquet("events.parquet", {"u": ["a", "b", "c", "d"], "i": ["x"] * 4, "at": far})
    source = {"format": "parquet", "path": "events.parquet", "columns": AT if role else PAIR}
    run(interactions=source, max_bad_fraction=0.9)
    name = "timestamp" if role else "at"
    reasons = [(letter["row"], letter["reason"]) for letter in run.rows("dead_letters", "row")]
    outside = [(row, f"{name} lies outside the years 1 to 9999") for row in (1, 2)]
    assert reasons == outside + [(3, "timestamp is empty")] * role
    assert {row["query_id"] for row in run.rows("interactions")} == ({"a"} if role else {"a", "d"})
    with pytest.raises(DataError, match=f"{name} lies outside the years 1 to 9999, such as '10000-01-01"):
        run(interactions=source)


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (pa.array([-1_500_000_000, 10**9 + 1], pa.timestamp("ns")), [datetime(1969, 12, 31, 23, 59, 58, 500_000)]),
        (pa.array([date(1969, 12, 31), date(2026, 1, 2)], pa.date32()), [datetime(1969, 12, 31)]),
        (pa.array([date(1, 1, 1), date(9999, 12, 31)], pa.date64()), [datetime(1, 1, 1), datetime(9999, 12, 31)]),
        (pa.array([2**62, 5], pa.timestamp("ms")), [datetime(1970, 1, 1, 0, 0, 0, 5000)]),
        (pa.array([None, 5], pa.timestamp("ns", "Europe/Paris")), [datetime(1970, 1, 1)]),
        (pa.array([float("nan"), 1e9]), [datetime(2001, 9, 9, 1, 46, 40)]),
    ],
)
def test_typed_moments(run, values, read):
    run.parquet("events.parquet", {"u": ["a", "b"], "i": ["x", "y"], "at": values})
    run(interactions={"format": "parquet", "path": "events.parquet", "columns": AT}, max_bad_fraction=0.9)
    moments = [row["timestamp"].replace(tzinfo=None) for row in run.rows("interactions", "query_id")]
    assert [moment for moment in moments if moment in read] == read


@pytest.mark.parametrize(
    "values",
    [pa.array([timedelta(1)]), pa.array([time(3)], pa.time32("s")), pa.array([time(3)], pa.time64("us")),
     pa.array([[{"a": 1}]])],
    ids=["duration", "time32", "time64", "structs"],
)  # fmt: skip
def test_types_without_dates_are_named(run, values):
    run.parquet("events.parquet", {"u": ["a"], "i": ["x"], "at": values})
    with pytest.raises(
        DataError, match=r"column 'at' holds (duration|time32|time64|nested list<).*events\.parquet.*; write times"
    ):
        run(interactions={"format": "parquet", "path": "events.parquet", "columns": AT})
    facts = run(interactions={"format": "parquet", "path": "events.parquet", "columns": PAIR})
    assert "is not supported" in facts["columns_left_out"]["interactions"]["at"]


@pytest.mark.skipif(not CASE.is_dir(), reason="needs ../shared/cases")
@pytest.mark.parametrize("name", ["bigquery.csv", "bigquery_fraction.csv", "postgres.csv"])
def test_timestamps_in_database_exports(run, name):
    rows = (CASE / name).read_text().splitlines()[1:]
    columns = {"query_id": "user_id", "candidate_id": "item_id", "timestamp": "event_time"}
    facts = run(interactions=csv(str(CASE / name), columns))
    assert (facts["interactions"], facts["time_unit"]) == (len(rows), "iso")


def test_the_message_of_the_command_line_names_the_setting(run):
    run.write("events.csv", "u,i,at\n" + "a,x,02/Jan/2026:03:04:05 +0000\n" * 10)
    config = run.directory / "c.yaml"
    config.write_text(json.dumps({"schema_version": 1, "name": "t", "data": {"interactions": csv(columns=AT)}}))
    result = cli("run", config, "--root", run.directory / "runs", "--only", "ExampleGen")
    assert result.code == 3
    assert "'02/Jan/2026:03:04:05 +0000' in events.csv, row 0" in result.err
    assert "date_formats" in result.err
    extra = "data.interactions.date_formats.at='%d/%b/%Y:%H:%M:%S %z'"
    assert cli("run", config, "--root", run.directory / "runs", "--only", "ExampleGen", "--set", extra).code == 0


def test_zones_by_name_are_read_and_abbreviations_told(run):
    run.write("events.csv", "u,i,at,seen\na,x,2026-01-02 04:04:05 Europe/Berlin,02.01.2026 04:04:05 Europe/Berlin\n")
    formats = {"seen": "%d.%m.%Y %H:%M:%S %Z"}
    run(interactions=csv(columns=AT, date_formats=formats))
    [row] = run.rows("interactions")
    assert (row["timestamp"], row["seen"]) == (SECOND, SECOND)
    rows = ["2026-01-02 04:04:05 EST,", "2026-01-02 25:04:05 UTC,", "2026-01-02 04:04:05,02.01.2026 04:04:05 CST"]
    run.write("events.csv", "u,i,at,seen\n" + "".join(f"a,x,{row}\n" for row in rows))
    told = "timestamp has an abbreviated time zone, which may mean several (write the zone as +01:00, Europe/Berlin"
    with pytest.raises(DataError, match=re.escape(told)):
        run(interactions=csv(columns=AT, date_formats=formats))
    run.write("good.csv", "u,i,at,seen\na,x,2026-01-02 03:04:05 UTC,\n")
    source = csv(["events.csv", "good.csv"], columns=AT, date_formats=formats, time_unit="iso")
    run(interactions=source, max_bad_fraction=0.8)
    assert [letter["reason"] for letter in run.rows("dead_letters", "row")] == [
        "timestamp has an abbreviated time zone, which may mean several", "timestamp cannot be read as iso",
        "seen has an abbreviated time zone, which may mean several",
    ]  # fmt: skip
