"""Dates and numbers in local notations."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from dataplane.sources.headers import check_headers
from dataplane.sources.ingestion.moment_texts import parse_dates
from dataplane.sources.ingestion.notations import in_common_notation
from models.spec.features import FeatureSpec
from tests.components.source_runs import PAIR, Run, csv


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def test_a_spreadsheet_in_another_locale(run):
    run.write(
        "events.csv",
        "u;i;am;betrag;seit\n"
        "a;x;31.01.2026 10:15;1.234,50;1.2.2020\n"
        "a;y;28.02.2026 23:59;-7,5;29.02.2020\n"
        "a;z;31.02.2026 00:00;3;1.3.2020\n",
    )
    source = csv(
        delimiter=";",
        columns={**PAIR, "timestamp": "am"},
        date_formats={"am": "%d.%m.%Y %H:%M", "seit": "%d.%m.%Y"},
        decimal_commas=["betrag"],
    )
    run(interactions=source, max_bad_fraction=0.5)
    assert run.rows("interactions") == [
        {
            "query_id": "a", "candidate_id": "x", "timestamp": datetime(2026, 1, 31, 10, 15, tzinfo=UTC),
            "betrag": 1234.5, "seit": datetime(2020, 2, 1, tzinfo=UTC),
        },
        {
            "query_id": "a", "candidate_id": "y", "timestamp": datetime(2026, 2, 28, 23, 59, tzinfo=UTC),
            "betrag": -7.5, "seit": datetime(2020, 2, 29, tzinfo=UTC),
        },
    ]  # fmt: skip
    [letter] = run.rows("dead_letters")
    assert (letter["row"], letter["reason"]) == (2, "timestamp cannot be read as %d.%m.%Y %H:%M"), (
        "there is no February 31st"
    )


def test_missing_columns_are_named(run):
    run.write("events.csv", "u,i\na,x\n")
    params = run.component(interactions=csv(date_formats={"at": "%d/%m/%Y"}, decimal_commas=["price"])).params
    problems = check_headers(params, FeatureSpec())
    assert [(problem.key.rpartition(".")[2], problem.value) for problem in problems] == [
        ("date_formats", "at"), ("decimal_commas", "price"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "read"),
    [("3/4/26", datetime(2026, 3, 4)), ("02/29/24", datetime(2024, 2, 29)), ("02/29/26", None), ("04/31/26", None),
     ("13/01/26", None), ("1/2/26 x", None), ("", None), (None, None)],
)  # fmt: skip
def test_only_days_that_exist_are_dates(text, read):
    missing, moments = parse_dates(pa.array([text], pa.string()), "%m/%d/%y")
    assert moments.to_pylist() == [read and read.replace(tzinfo=UTC)]
    assert missing.to_pylist() == [not text]


@pytest.mark.parametrize(
    ("text", "written"),
    [("1,5", "1.5"), ("1.234.567,8", "1234567.8"), ("1 234,5", "1234.5"), ("12", "12"), ("1.234", "1234"),
     ("1.5", "1.5"), ("1,234,5", "1,234,5"), ("k. A.", "k. A."), (None, None)],
)  # fmt: skip
def test_decimal_commas(text, written):
    batch = pa.RecordBatch.from_pydict({"n": pa.array([text], pa.string()), "other": ["1,5"]})
    rewritten = in_common_notation(batch, decimal_commas=["n"])
    assert rewritten.to_pylist() == [{"n": written, "other": "1,5"}]


@pytest.mark.parametrize("kind", ["csv", "parquet", "partition"])
def test_days_written_as_numbers(run, kind):
    if kind == "csv":
        run.write("events.csv", "u,i,day\na,x,20261122\na,y,20261232\na,z,20260101\n")
    elif kind == "parquet":
        run.parquet("events.parquet", {"u": ["a"] * 3, "i": ["x", "y", "z"], "day": [20261122, 20261232, 20260101]})
    else:
        kind = "csv"
        for day, item in (("20261122", "x"), ("20261232", "y"), ("20260101", "z")):
            (run.directory / "events.csv" / f"day={day}").mkdir(parents=True)
            run.write(f"events.csv/day={day}/p.csv", f"u,i\na,{item}\n")
    source = {"format": kind, "path": f"events.{kind}", "columns": {**PAIR, "timestamp": "day"}}
    facts = run(interactions=source, max_bad_fraction=0.5)
    assert facts["time_unit"] == "yyyymmdd"
    moments = {row["candidate_id"]: row["timestamp"] for row in run.rows("interactions")}
    assert moments == {"x": datetime(2026, 11, 22, tzinfo=UTC), "z": datetime(2026, 1, 1, tzinfo=UTC)}
    assert [letter["reason"] for letter in run.rows("dead_letters")] == ["timestamp cannot be read as yyyymmdd"]
