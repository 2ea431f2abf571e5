"""Columns of numbers that also hold markers of missing values, garbage or header lines."""

import json

import pyarrow as pa
import pytest

from components.example_gen import ExampleGenParams
from dataplane.errors import DataError
from dataplane.sources.headers import check_headers
from dataplane.sources.ingestion.column_types import type_of_text
from dataplane.sources.ingestion.feature_kinds import with_feature_kinds
from dataplane.sources.ingestion.missing_texts import MARKERS
from dataplane.sources.ingestion.number_texts import kind_of_numbers, parse_numbers
from models.spec.features import FeatureSpec
from tests.components.source_runs import PAIR, Run, csv
from tests.e2e.conftest import cli
from tests.paths import SHARED

CASE = SHARED / "cases" / "one-bad-value-in-a-numeric-column"
FEATURES = FeatureSpec.model_validate(
    {
        "candidate": {
            "year": {"type": "numeric"}, "out": {"type": "timestamp", "column": "released"},
            "tags": {"type": "categorical", "max_values": 3}, "image": {"type": "vector", "dimension": 2},
        }
    }
)  # fmt: skip


@pytest.fixture
def run(tmp_path):
    made = Run(tmp_path)
    made.write("events.csv", "u,i\n" + "".join(f"a,x{n}\n" for n in range(20)))
    return made


def items(run, kind, values, **settings):
    """A candidate table with a column `year` of these values."""
    rows = [{"id": f"x{n}", "year": value} for n, value in enumerate(values)]
    if kind == "csv":
        run.write("items.csv", "id,year\n" + "".join(f"{row['id']},{row['year']}\n" for row in rows))
    elif kind == "jsonl":
        run.write("items.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    else:
        run.parquet("items.parquet", {"id": [row["id"] for row in rows], "year": [str(value) for value in values]})
    return {"format": kind, "path": f"items.{kind}", "id": "id", **settings}


def read(run, source, max_bad_fraction=0.5, features=FEATURES):
    data = {"interactions": csv(), "candidates": source, "max_bad_fraction": max_bad_fraction}
    params = with_feature_kinds(ExampleGenParams.model_validate(data), features)
    return run(interactions=params.interactions, candidates=params.candidates, max_bad_fraction=max_bad_fraction)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_garbage_among_numbers_is_a_dead_letter(run, kind):
    source = items(run, kind, [1990, "year", 1991, "circa 1992", 1993])
    read(run, source)
    assert [row["year"] for row in run.rows("candidates", "candidate_id")] == [1990, 1991, 1993]
    assert [(letter["file"], letter["row"], letter["reason"]) for letter in run.rows("dead_letters", "row")] == [
        (f"items.{kind}", 1, "year is not a number"), (f"items.{kind}", 3, "year is not a number"),
    ]  # fmt: skip
    assert run.types("candidates")["year"] == ("float64" if kind == "parquet" else "int64")
    with pytest.raises(DataError, match=rf"2 x year is not a number .*such as 'year' in items\.{kind}, row 1"):
        read(run, source, 0.1)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_markers_among_numbers_are_missing(run, kind):
    read(run, items(run, kind, [1990, "NULL", "\\N", "n/a", "#N/A", " - ", "None", 1991.5, "nan"]), 0)
    years = [row["year"] for row in run.rows("candidates", "candidate_id")]
    assert [None if year is None or year != year else year for year in years] == [1990, *[None] * 6, 1991.5, None]


def test_markers_keep_column_types(run):
    run.write("events.csv", "u,i,n,flag,at,land\na,x,1,true,2026-01-02,NA\na,y,NULL,-,NaT,NL\nNA,z,3,N/A,null,\n")
    run(interactions=csv())
    assert run.types() == {
        "query_id": "string", "candidate_id": "string", "n": "int64", "flag": "bool", "at": "timestamp",
        "land": "string",
    }  # fmt: skip
    rows = run.rows("interactions", "candidate_id")
    assert [row["n"] for row in rows] == [1, None, 3]
    assert [row["flag"] for row in rows] == [True, None, None]
    assert [row["land"] for row in rows] == ["NA", "NL", None]
    assert rows[2]["query_id"] == "NA"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_configured_null_values_are_missing(run, kind):
    source = items(run, kind, [1990, "unknown", 1991], null_values=["unknown"])
    read(run, source, 0)
    assert [row["year"] for row in run.rows("candidates", "candidate_id")] == [1990, None, 1991]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_column_without_values_is_missing_for_every_feature(run, kind):
    names = ["year", "released", "tags", "image"]
    if kind == "csv":
        run.write("items.csv", "id,year,released,tags,image\nx0,,,,\nx1,NULL,,,\n")
        names = names[:2]
    elif kind == "jsonl":
        run.write("items.jsonl", '{"id": "x0", "year": null, "released": null, "tags": null, "image": null}\n' * 1)
    else:
        run.parquet("items.parquet", {"id": ["x0"], **{name: pa.nulls(1) for name in names}})
    read(run, {"format": kind, "path": f"items.{kind}", "id": "id"}, 0)
    kinds = {"year": "float64", "released": "timestamp", "tags": "list<string>", "image": "list<float64>"}
    assert {name: run.types("candidates")[name] for name in names} == {name: kinds[name] for name in names}
    assert {row[name] for row in run.rows("candidates") for name in names} == {None}


def test_a_column_of_a_timestamp_feature(run):
    run.write("items.csv", "id,released\nx0,2026-01-02 03:04:05 UTC\nx1,tba\nx2,-\n")
    read(run, {"format": "csv", "path": "items.csv", "id": "id"})
    assert run.types("candidates")["released"] == "timestamp"
    [letter] = run.rows("dead_letters")
    assert (letter["row"], letter["reason"]) == (1, "released cannot be read as a date or time of ISO 8601")
    run.write("items.csv", "id,released\nx0,1767323045\nx1,tba\n")
    read(run, {"format": "csv", "path": "items.csv", "id": "id"})
    assert run.types("candidates")["released"] == "int64", "Unix seconds"


def test_columns_that_no_feature_reads_as_numbers_stay_text(run):
    run.write("items.csv", "id,year,zip\nx0,1990,1012\nx1,1991,SW1A\n")
    read(run, {"format": "csv", "path": "items.csv", "id": "id"}, 0)
    assert run.types("candidates") == {"candidate_id": "string", "year": "int64", "zip": "string"}


def test_features_of_derived_tables(run):
    run.write("events.csv", "u,i,age,hour\na,x,33,1\nb,x,old,2\nc,x,44,late\n")
    spec = FeatureSpec.model_validate({"query": {"age": {"type": "numeric"}}, "context": {"hour": {"type": "numeric"}}})
    data = {"interactions": csv(), "queries": {"format": "interactions", "columns": ["age"]}}
    params = with_feature_kinds(ExampleGenParams.model_validate(data), spec)
    run(interactions=params.interactions, queries=params.queries, max_bad_fraction=0.7)
    assert run.rows("queries") == [{"query_id": "a", "age": 33}]
    assert [letter["reason"] for letter in run.rows("dead_letters", "row")] == [
        "age is not a number", "hour is not a number",
    ]  # fmt: skip


def test_roles_accept_numbers_written_as_text(run):
    run.write(
        "events.csv",
        "u,i,at,n,w\n"
        "a,x0,1767323045,9007199254740993,+1\n"
        "a,x1, 1767323045 ,9007199254740992, 2.5 \n"
        "a,x2,NULL,1,1\n"
        "a,x3,1767323045,u,1\n"
        "a,x4,1767323045,NULL,1\n"
        "a,x5,1767323045,1,NULL\n"
        "a,x6,nan,1,1\n",
    )
    run(interactions=csv(columns={**PAIR, "timestamp": "at", "order": "n", "weight": "w"}), max_bad_fraction=0.9)
    rows = run.rows("interactions", "candidate_id")
    assert [(row["order"], row["weight"]) for row in rows] == [(9007199254740993, 1.0), (9007199254740992, 2.5)]
    assert [letter["reason"] for letter in run.rows("dead_letters", "row")] == [
        "timestamp is empty", "order is not a number", "order is empty", "weight is empty", "timestamp is empty",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "kind", "numbers"),
    [
        (["9223372036854775807", "-5"], "int64", [9223372036854775807, -5]),
        (["9223372036854775808", "1"], "float64", [9.223372036854775808e18, 1.0]),
        (["12345678901234567890123"], "float64", [1.2345678901234568e22]),
        (["1e3", "-2.5E-1", ".5", "5."], "float64", [1000.0, -0.25, 0.5, 5.0]),
        (["+7", " 8 ", "009"], "float64", [7, 8, 9]),
        (["+7", " 8 "], "int64", [7, 8]),
        (["1,5", "12a", "1e", "0x10", "1 2"], "null", [None] * 5),
    ],
)
def test_texts_that_count_as_numbers(texts, kind, numbers):
    values = pa.array(texts)
    assert kind_of_numbers(values) == kind
    assert parse_numbers(values, "int64" if kind == "int64" else "float64")[1].to_pylist() == numbers


def test_a_number_that_is_too_large_affects_only_its_row():
    missing, numbers = parse_numbers(pa.array(["1", "9223372036854775808", "-9223372036854775808", "-"]), "int64")
    assert numbers.to_pylist() == [1, None, -(2**63), None]
    assert missing.to_pylist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["1234567890123456789", "1"], "int64"), (["12345678901234567890"], "string"), (["007", "1"], "string"),
        (["1", *MARKERS], "int64"), (list(MARKERS), "string"), (["1.5", "-"], "float64"), (["1", "nan"], "float64"),
        (["abc", "1"], "string"), (["-", "x"], "string"), (["2026-01-02 03:04:05.5 UTC", "NaT"], "timestamp"),
        (["2026-01-02", "2026-02-31"], "string"), (["true", "?"], "bool"), ([], "null"),
    ],
)  # fmt: skip
def test_types_of_texts(texts, kind):
    assert type_of_text(pa.array(texts, pa.string())) == kind
    assert type_of_text(pa.array([*texts[:1] * 3000, *texts], pa.string())) == kind, "also behind the first few"


@pytest.mark.parametrize(
    ("settings", "text", "number"),
    [({"thousands_commas": ["year"]}, "1,234,567.5", 1234567.5), ({"thousands_commas": ["year"]}, "-12,345", -12345),
     ({"decimal_commas": ["year"]}, "1.234,5", 1234.5), ({"decimal_commas": ["year"]}, "+1,5", 1.5)],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_commas_for_every_format(run, kind, settings, text, number):
    run(interactions=csv(), candidates=items(run, kind, [text, "1", "NULL"], **settings))
    assert [row["year"] for row in run.rows("candidates", "candidate_id")] == [number, 1, None]


def test_unset_thousands_commas_give_a_hint(run):
    with pytest.raises(DataError, match=r"decimal_commas.*thousands_commas.*such as '1,234' in items\.jsonl, row 0"):
        read(run, items(run, "jsonl", ["1,234", "5"]), 0)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"types": {"year": "digits"}}, "number"),
        ({"types": {"year": "time"}, "decimal_commas": ["year"]}, "'types' says 'time'"),
        ({"date_formats": {"year": "%d.%m.%Y"}, "thousands_commas": ["year"]}, "in both"),
        ({"types": {"id": "number"}}, "'id' is"),
    ],
)
def test_contradictions_are_refused(settings, expected):
    source = {"format": "jsonl", "path": "items.jsonl", "id": "id", **settings}
    with pytest.raises(ValueError, match=expected):
        ExampleGenParams.model_validate({"interactions": csv(), "candidates": source})


def test_configured_columns_must_exist(run):
    source = items(run, "csv", [1], types={"yaer": "number"}, thousands_commas=["price"])
    params = ExampleGenParams.model_validate({"base_dir": run.directory, "interactions": csv(), "candidates": source})
    assert [problem.key for problem in check_headers(params, FeatureSpec())] == [
        "data.candidates.types", "data.candidates.thousands_commas",
    ]  # fmt: skip


def test_duplicate_parquet_columns_are_refused(run):
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["x"]), pa.array([1])], names=["u", "i", "i"])
    import pyarrow.parquet as pq

    pq.write_table(table, run.directory / "twice.parquet")
    source = {"format": "parquet", "path": "twice.parquet", "columns": PAIR}
    with pytest.raises(DataError, match=r"twice\.parquet has 'i' twice"):
        run(interactions=source)
    [problem] = check_headers(run.component(interactions=source).params, FeatureSpec())
    assert "has 'i' twice" in problem.message


@pytest.mark.skipif(not CASE.is_dir(), reason="needs ../shared/cases")
@pytest.mark.parametrize("name", ["null.csv", "items.csv"])
def test_a_marker_and_a_header_line_among_numbers(run, name):
    setting = f"data.candidates.path={CASE / name}"
    result = cli("run", CASE / "config.yaml", "--root", run.directory, "--only", "ExampleGen", "--set", setting)
    assert result.code == 0, result.err


def test_the_command_line_names_value_file_and_row(run):
    config = run.directory / "c.yaml"
    data = {"interactions": csv(), "candidates": items(run, "csv", [1990] * 20 + ["unknown"])}
    features = {"candidate": {"year": {"type": "numeric"}}}
    config.write_text(json.dumps({"schema_version": 1, "name": "n", "data": data, "features": features}))
    result = cli("run", config, "--root", run.directory / "runs", "--only", "ExampleGen")
    assert result.code == 3
    assert "such as 'unknown' in items.csv, row 20: " in result.err


def test_values_that_do_not_fit_are_named_with_their_file(run):
    run.parquet("items.parquet", {"id": ["x0"], "n": pa.array([2**64 - 1], pa.uint64())})
    with pytest.raises(DataError, match=r"items\.parquet: column 'n' cannot be read as int64.*18446744073709551615"):
        run(interactions=csv(), candidates={"format": "parquet", "path": "items.parquet", "id": "id"})


def test_if_no_row_is_left_the_message_gives_the_reasons(run):
    source = items(run, "csv", ["many", "few"], types={"year": "number"})
    with pytest.raises(
        DataError, match=r"no row of candidates is left(.|\n)*2 x year is not a number.*'many' in items"
    ):
        run(interactions=csv(), candidates=source, max_bad_fraction=1)
