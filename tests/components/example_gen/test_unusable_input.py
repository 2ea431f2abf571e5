"""Rows that ExampleGen keeps apart as unusable, and input that it refuses."""

import gzip
import json

import pytest

from dataplane.errors import DataError
from tests.components.source_runs import PAIR, csv


def test_unusable_rows_are_kept_with_file_row_and_reason(run):
    run.write(
        "events.csv",
        "u,i,at,w\n"
        "a,x,100,1\n"
        ",x,100,1\n"  # 1
        "a,,100,1\n"  # 2
        "a,x\n"  # 3
        "a,x,100,1,2\n"  # 4
        "a,x,soon,1\n"  # 5
        "a,x,,1\n"  # 6
        "a,x,100,inf\n"  # 7
        "a,x,100,-1\n"  # 8
        "a,x,100,many\n"  # 9
        "a,x,100,\n"  # 10
        "b,y,100,2\n",
    )
    run(
        interactions=csv(columns={**PAIR, "timestamp": "at", "weight": "w"}, time_unit="s"),
        max_bad_fraction=0.9,
    )
    dead = run.rows("dead_letters", "row")
    assert [(letter["row"], letter["reason"]) for letter in dead] == [
        (1, "query_id is empty"),
        (2, "candidate_id is empty"),
        (3, "2 fields instead of 4"),
        (4, "5 fields instead of 4"),
        (5, "timestamp cannot be read as s"),
        (6, "timestamp is empty"),
        (7, "weight is not a finite number"),
        (8, "weight is negative"),
        (9, "weight is not a number"),
        (10, "weight is empty"),
    ]
    assert {(letter["table"], letter["file"]) for letter in dead} == {("interactions", "events.csv")}
    assert json.loads(dead[0]["record"])["i"] == "x"
    assert dead[3]["record"] == "a,x,100,1,2"
    assert [row["candidate_id"] for row in run.rows("interactions")] == ["x", "y"]
    summary = run.summary()
    assert (summary["in"], summary["out"], summary["dead"]) == (12, 2, 10)
    assert summary["reasons"]["weight is negative"] == 1


def test_unusable_rows_are_told_of_with_the_most_frequent_reason(run):
    run.write("events.csv", "u,i\na,x\na,\nb,\n,y\n")
    (note,) = run(interactions=csv(columns=PAIR), max_bad_fraction=0.9)["notes"]
    assert note.startswith(
        "3 of 4 rows of interactions are unusable and in dead_letters: 2 x candidate_id is empty, such"
    )
    assert "events.csv, row 1: " in note
    assert note.endswith(", 1 for other reasons")
    run.write("events.csv", "u,i\na,x\n")
    assert "notes" not in run(interactions=csv(columns=PAIR))


def test_too_many_unusable_rows_refuse_the_run(run):
    run.write("events.csv", "u,i\n" + "a,x\n" * 8 + ",x\n,y\n")
    with pytest.raises(DataError) as refused:
        run(interactions=csv(), max_bad_fraction=0.1)
    message = str(refused.value)
    assert "2 of 10 rows of interactions" in message
    assert "2 x query_id is empty" in message
    assert "events.csv, row 8" in message
    run(interactions=csv(), max_bad_fraction=0.2)


def test_unknown_split_names_are_dead(run):
    run.write("events.csv", "u,i,part\na,x,train\na,y,holdout\n")
    run(interactions=csv(columns={**PAIR, "split": "part"}), max_bad_fraction=0.5)
    assert run.rows("dead_letters")[0]["reason"] == "split is not train, validation or test"


def write_nothing(run):
    run.write("events.csv", "")


def write_header_only(run):
    run.write("events.csv", "u,i\n")


def write_other_columns(run):
    run.write("events.csv", "user,i\na,x\n")


def write_latin(run):
    run.write("events.csv", "u,i\né,x\n", encoding="latin-1")


def write_runaway_quote(run):
    run.write("events.csv", 'u,i\n"a,x\n' + "a,y\n" * 50)


def write_damaged_gzip(run):
    (run.directory / "events.csv").write_bytes(b"")
    (run.directory / "events.csv.gz").write_bytes(gzip.compress(b"u,i\n" + b"a,x\n" * 1000)[:30])


def write_twice_named(run):
    run.write("events.csv", "u,i,u\na,x,b\n")


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda run: None, "events.csv does not exist"),
        (write_nothing, "events.csv is empty"),
        (write_header_only, "no readable rows"),
        (write_other_columns, "no column 'u'; it has user, i"),
        (write_latin, "not utf-8 text"),
        (write_runaway_quote, "quote: null"),
        (write_twice_named, "u twice"),
    ],
)
def test_broken_csv_is_refused_with_the_reason(run, write, expected):
    write(run)
    with pytest.raises(DataError, match=expected):
        run(interactions=csv())


def test_damaged_gzip_is_refused(run):
    write_damaged_gzip(run)
    with pytest.raises(DataError, match=r"events\.csv\.gz"):
        run(interactions=csv("events.csv.gz"))


def test_damaged_parquet_is_refused(run):
    run.parquet("events.parquet", {"u": ["a"] * 1000, "i": ["x"] * 1000})
    whole = (run.directory / "events.parquet").read_bytes()
    (run.directory / "events.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"events\.parquet cannot be read as Parquet"):
        run(interactions={"format": "parquet", "path": "events.parquet", "columns": PAIR})


@pytest.mark.parametrize("name", ["p", "j"])
def test_floats_are_refused_as_ids(run, name):
    run.parquet("p", {"u": [1.0, 2.0], "i": ["x", "y"]})
    run.write("j", '{"u": 1.0, "i": "x"}\n')
    source = {"format": "parquet" if name == "p" else "jsonl", "path": name, "columns": PAIR}
    with pytest.raises(DataError, match="query_id column 'u' holds float64"):
        run(interactions=source)


def test_nothing_left_after_filtering_is_refused(run):
    run.write("events.csv", "u,i,w\na,x,1\n")
    with pytest.raises(DataError, match="no row of interactions is left: 1 read, 0 unusable, 1 below min_weight"):
        run(interactions=csv(columns={**PAIR, "weight": "w"}, min_weight=4))
