"""Timestamps of databases, logs and spreadsheets."""

import json
import locale
import re
from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dataplane.errors import DataError
from dataplane.sources.ingestion.date_formats import problem_of
from dataplane.sources.ingestion.moment_texts import parse_dates, parse_moments
from dataplane.sources.ingestion.moments import most_voted, to_moments, unit_votes
from tests.components.source_runs import PAIR, Run, csv
from tests.e2e.conftest import cli
from tests.paths import SHARED

CASE = SHARED / "cases" / "timestamps-of-databases"
SECOND = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AT = {**PAIR, "timestamp": "at"}


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def moment(text, written=None):
    texts = pa.array([text], pa.string())
    missing, moments = parse_dates(texts, written) if written else parse_moments(texts)
    return "missing" if missing[0].as_py() else moments[0].as_py()


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-01-02 03:04:05 UTC", SECOND),
        ("2026-01-02 03:04:05+00", SECOND),
        ("2026-01-02 03:04:05 +0000", SECOND),
        ("2026-01-02 08:34:05+05:30", SECOND),
        ("2026-01-01T23:04:05-0400", SECOND),
        ("2026-01-02T03:04:05Z", SECOND),
        ("2026-01-02t03:04:05z", SECOND),
        ("2026-01-02 03:04:05 GMT", SECOND),
        ("2026-01-02T04:04:05.123456789+0100", SECOND.replace(microsecond=123456)),
        ("2026-01-02 03:04:05.000000", SECOND),
        ("2026-01-02 03:04:05.1", SECOND.replace(microsecond=100_000)),
        ("2026-01-02 03:04:05.1234567 UTC", SECOND.replace(microsecond=123456)),
        ("2026-01-02 03:04:05,250", SECOND.replace(microsecond=250_000)),
        (" 2026-01-02 03:04:05 ", SECOND),
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02 03:04", SECOND.replace(second=0)),
        ("2016-12-31 23:59:60 UTC", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2017-01-01T08:59:60+09:00", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31 23:58:60", None),
        ("0001-01-01 00:00:00", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31 23:59:59.999999+00", datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
        ("0001-01-01 00:00:00+01", None),
        ("0000-00-00 00:00:00", None),
        ("9999-12-31 23:59:59-01", None),
        ("10000-01-01 00:00:00", None),
        ("1969-12-31 23:59:59 UTC", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-02-29 00:00:00 UTC", None),
        ("2024-02-29 00:00:00 UTC", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2026-01-02 24:00:00 UTC", None),
        ("2026-01-02 03:04:05 CET", None),
        ("2026-01-02 04:04:05.000 Europe/Berlin", SECOND),
        ("2026-07-02 05:04:05 Europe/Berlin", SECOND.replace(month=7)),
        ("2026-01-02T04:04:05+01:00[Europe/Berlin]", SECOND),
        ("2026-01-02 00:04:05 America/Argentina/Buenos_Aires", SECOND),
        ("2026-10-25 02:30:00 Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-03-29 02:30:00 Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("2026-01-02 03:04:05 Europe/Nowhere", None),
        ("0001-01-01 00:00:00 Europe/Berlin", None),
        ("2026-01-02 03:04:05+99", None),
        ("2026-01-02 03:04:05.1234567890", None),
        ("NULL", "missing"),
        ("NaT", "missing"),
        ("", "missing"),
        (None, "missing"),
    ],
)
def test_iso_8601_and_the_variants_of_databases(text, read):
    assert moment(text) == read


@pytest.mark.parametrize(
    ("text", "written", "read"),
    [
        ("Fri, 02 Jan 2026 03:04:05 +0000", "%a, %d %b %Y %H:%M:%S %z", SECOND),
        ("Fri, 02 Jan 2026 03:04:05 GMT", "%a, %d %b %Y %H:%M:%S %z", SECOND),
        ("Fri Jan 2 03:04:05 UTC 2026", "%a %b %d %H:%M:%S %Z %Y", SECOND),
        ("02.01.2026 04:04:05 Europe/Berlin", "%d.%m.%Y %H:%M:%S %Z", SECOND),
        ("Thu Jan 1 22:04:05 EST 2026", "%a %b %d %H:%M:%S %Z %Y", None),
        ("02/Jan/2026:04:04:05 +0100", "%d/%b/%Y:%H:%M:%S %z", SECOND),
        ("1/2/26 3:04:05 AM", "%m/%d/%y %I:%M:%S %p", SECOND),
        ("1/2/2026 12:04 a.m.", "%m/%d/%Y %I:%M %p", datetime(2026, 1, 2, 0, 4, tzinfo=UTC)),
        ("1/2/2026 12:04 PM", "%m/%d/%Y %I:%M %p", datetime(2026, 1, 2, 12, 4, tzinfo=UTC)),
        ("1/2/2026 13:04 PM", "%m/%d/%Y %I:%M %p", None),
        ("1/2/2026 13:04 PM", "%m/%d/%Y %H:%M %p", datetime(2026, 1, 2, 13, 4, tzinfo=UTC)),
        ("1/2/2026 13:04 AM", "%m/%d/%Y %H:%M %p", None),
        ("02-JAN-26", "%d-%b-%y", datetime(2026, 1, 2, tzinfo=UTC)),
        ("02-JAN-26 03.04.05.123456000 AM", "%d-%b-%y %I.%M.%S.%f %p", SECOND.replace(microsecond=123456)),
        ("Friday 2 September 1994", "%A %d %B %Y", datetime(1994, 9, 2, tzinfo=UTC)),
        ("2 Sept 1994", "%d %b %Y", datetime(1994, 9, 2, tzinfo=UTC)),
        ("Fri Jan  2 03:04:05 +0000 2026", "%a %b %d %H:%M:%S %z %Y", SECOND),
        ("Fri Jan  2 03:04:05 UTC 2026", "%a %b %e %H:%M:%S UTC %Y", SECOND),
        ("2026-060", "%Y-%j", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-366", "%Y-%j", None),
        ("20260102030405250", "%Y%m%d%H%M%S%f", SECOND.replace(microsecond=250_000)),
        ("2026112", "%Y%m%d", None),
        ("100%: 1.2.2026", "100%%: %d.%m.%Y", datetime(2026, 2, 1, tzinfo=UTC)),
        ("02 Janvier 2026", "%d %B %Y", None),
        ("2026-01-02 03:04:05 UTC", "%d.%m.%Y", SECOND),
        ("n/a", "%d.%m.%Y", "missing"),
    ],
)
def test_dates_are_read_by_their_format(text, written, read):
    assert moment(text, written) == read


@pytest.mark.parametrize(
    ("written", "expected"),
    [("%d.%m.%Y %Q", "%Q is not known"), ("%d.%m.%Y %I:%M", "without %p"), ("%d.%m.%d", "%d twice"),
     ("%H:%M", "lacks year"), ("%d.%m.%Y %f", "%f without %S"), ("%d.%m.%Y %", "without a letter"),
     ("%Y-%j", ""), ("%d/%b/%Y:%H:%M:%S %z", "")],
)  # fmt: skip
def test_incomplete_and_contradictory_date_formats_are_refused(written, expected):
    assert expected in problem_of(written)
    assert bool(expected) == bool(problem_of(written))


def test_values_of_a_mixed_column_are_read_as_each_alone():
    texts = ["2026-01-02 03:04:05", "2026-01-02T04:04:05.5+01", None, "2026-02-31", "2026-01-02 03:04:05 UTC", "-"] * 50
    missing, moments = parse_moments(pa.array(texts))
    alone = [parse_moments(pa.array([text], pa.string())) for text in texts]
    assert moments.to_pylist() == [value.to_pylist()[0] for _, value in alone]
    assert missing.to_pylist() == [value.to_pylist()[0] for value, _ in alone]
    half = pc.if_else(pa.array([True, False] * 150), pa.array(texts), None)
    assert parse_moments(half)[1].to_pylist()[::2] == moments.to_pylist()[::2], "whatever shares a batch"


def test_month_names_are_english_in_every_locale():
    before = locale.setlocale(locale.LC_TIME)
    names = [name for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8") if _has_locale(name)]
    try:
        for name in names:
            locale.setlocale(locale.LC_TIME, name)
            assert moment("02-DEC-26", "%d-%b-%y") == datetime(2026, 12, 2, tzinfo=UTC)
            assert moment("02-DEZ-26", "%d-%b-%y") is None
    finally:
        locale.setlocale(locale.LC_TIME, before)


def _has_locale(name):
    before = locale.setlocale(locale.LC_TIME)
    try:
        locale.setlocale(locale.LC_TIME, name)
    except locale.Error:
        return False
    locale.setlocale(locale.LC_TIME, before)
    return True


@pytest.mark.parametrize(
    ("numbers", "unit"),
    [([1_767_323_045], "s"), ([1_767_323_045_123], "ms"), ([1_767_323_045_123_456], "us"),
     ([1_767_323_045_123_456_789], "ns"), ([-1_000_000], "s")],
)  # fmt: skip
@pytest.mark.parametrize("text", [False, True])
def test_units_of_numbers(numbers, unit, text):
    values = pa.array([str(number) for number in numbers]) if text else pa.array(numbers)
    assert most_voted([unit_votes(values)]) == unit
    [read] = to_moments(values, unit)[1].cast(pa.int64()).to_pylist()
    assert read == numbers[0] * {"s": 10**6, "ms": 1000, "us": 1, "ns": 0}[unit] + (unit == "ns") * (numbers[0] // 1000)


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
