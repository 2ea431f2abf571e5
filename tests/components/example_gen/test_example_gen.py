"""ExampleGen on small files: the rows and columns that it writes."""

import gzip
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from dataplane.artifacts import Examples
from dataplane.errors import DataError
from tests.components.source_runs import PAIR, Run, csv


def test_two_columns_are_enough_and_ids_stay_as_written(run):
    run.write("events.csv", "u,i\n007,é\n7,b c\n1.0,TRUE\n")
    facts = run(interactions=csv())
    assert run.rows("interactions") == [
        {"query_id": "007", "candidate_id": "é"},
        {"query_id": "7", "candidate_id": "b c"},
        {"query_id": "1.0", "candidate_id": "TRUE"},
    ]
    assert facts == {"interactions": 3}
    assert run.summary() == {"in": 3, "out": 3, "dead": 0, "filtered": 0, "reasons": {}}
    assert not (run.examples.path / "queries").exists()


def test_all_roles_and_other_columns(run):
    run.write(
        "events.csv",
        "u,i,at,n,stars,part,device,zip,odd,when,flag\n"
        "a,x,2020-01-01T00:00:00+01:00,2,4.5,train,tv,01234,1.5,2020-02-03,true\n"
        "a,y,2020-01-02,1,2,test,,12345,2,2020-02-04 05:06:07,false\n",
    )
    columns = {**PAIR, "timestamp": "at", "order": "n", "weight": "stars", "split": "part"}
    run(interactions=csv(columns=columns))
    assert run.rows("interactions")[0] == {
        "query_id": "a",
        "candidate_id": "x",
        "timestamp": datetime(2019, 12, 31, 23, tzinfo=UTC),
        "order": 2,
        "weight": 4.5,
        "split": "train",
        "device": "tv",
        "zip": "01234",
        "odd": 1.5,
        "when": datetime(2020, 2, 3, tzinfo=UTC),
        "flag": True,
    }
    assert run.rows("interactions")[1]["device"] is None
    assert run.types() == {
        "query_id": "string", "candidate_id": "string", "timestamp": "timestamp", "order": "int64", "weight": "float32",
        "split": "string", "device": "string", "zip": "string", "odd": "float64", "when": "timestamp", "flag": "bool",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (["1577836800", "1577836801.5"], "s"),
        (["1577836800000", "1577836801500"], "ms"),
        (["1577836800000000", "1577836801500000"], "us"),
        (["2020-01-01", "2020-01-01 00:00:01.5Z"], "iso"),
    ],
)
def test_the_time_unit_is_guessed_and_reported(run, values, unit):
    run.write("events.csv", "u,i,at\n" + "".join(f"a,x{n},{value}\n" for n, value in enumerate(values)))
    facts = run(interactions=csv(columns={**PAIR, "timestamp": "at"}))
    assert facts["time_unit"] == unit
    moments = [row["timestamp"] for row in run.rows("interactions")]
    assert moments == [datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)]


def test_a_configured_time_unit_is_used(run):
    run.write("events.csv", "u,i,at\na,x,1577836800\n")
    run(interactions=csv(columns={**PAIR, "timestamp": "at"}, time_unit="ms"))
    assert run.rows("interactions")[0]["timestamp"] == datetime(1970, 1, 19, 6, 17, 16, 800_000, tzinfo=UTC)


def test_light_events_are_filtered_not_dead(run):
    run.write("events.csv", "u,i,w\na,x,3.5\na,y,4\na,z,nan\nb,x,5\n")
    facts = run(interactions=csv(columns={**PAIR, "weight": "w"}, min_weight=4), max_bad_fraction=0.5)
    assert [row["weight"] for row in run.rows("interactions")] == [4, 5]
    assert facts["interactions_filtered"] == 1
    assert (run.summary()["in"], run.summary()["filtered"], run.summary()["dead"]) == (4, 1, 1)


def test_files_that_are_splits(run):
    run.write("train.txt", "0 5 1\n0 6 1\n")
    run.write("test.txt", "0 7 1\n")
    source = csv({"train": "train.txt", "test": "test.txt"}, delimiter=" ", names=["u", "i", ""])
    run(interactions=source)
    assert run.rows("interactions") == [
        {"query_id": "0", "candidate_id": "5", "split": "train"},
        {"query_id": "0", "candidate_id": "6", "split": "train"},
        {"query_id": "0", "candidate_id": "7", "split": "test"},
    ]


def test_delimiter_encoding_missing_header_and_ordinary_quotes(run):
    run.write("u.item", '1|Amélie "the|2001\n2|"Heat|1995\n', encoding="latin-1")
    run.write("u.data", "9\t1\n9\t2\n")
    run(
        interactions=csv("u.data", delimiter="\t", names=["u", "i"]),
        candidates={
            "format": "csv", "path": "u.item", "id": "id", "delimiter": "|", "encoding": "latin-1", "quote": None,
            "names": ["id", "title", "year"],
        },
    )  # fmt: skip
    assert run.rows("candidates") == [
        {"candidate_id": "1", "title": 'Amélie "the', "year": 2001},
        {"candidate_id": "2", "title": '"Heat', "year": 1995},
    ]


def test_exports_of_spreadsheets(run):
    run.write("events.csv", "\ufeffu,i,,,\r\na,x,,,\r\n\r\nb,y,,,\r\n")
    run.write("items.csv", 'i,title,genres\nx,"One, two\nand ""three""",A|B\ny,,\nz,Zed,C\n')
    run(
        interactions=csv(),
        candidates={"format": "csv", "path": "items.csv", "id": "i", "list_columns": {"genres": "|"}},
    )
    assert run.types() == {"query_id": "string", "candidate_id": "string"}
    assert run.rows("candidates") == [
        {"candidate_id": "x", "title": 'One, two\nand "three"', "genres": ["A", "B"]},
        {"candidate_id": "y", "title": None, "genres": None},
        {"candidate_id": "z", "title": "Zed", "genres": ["C"]},
    ]


def test_types_hold_for_all_files_of_a_table(run):
    run.write("day1.csv", "u,i,zip,price\na,x,123,1\n")
    run.write("day2.csv", "u,price,zip,i,late\nb,2.5,K1A,y,7\n")
    run(interactions=csv("day*.csv"))
    assert run.rows("interactions") == [
        {"query_id": "a", "candidate_id": "x", "zip": "123", "price": 1.0, "late": None},
        {"query_id": "b", "candidate_id": "y", "zip": "K1A", "price": 2.5, "late": 7},
    ]


def test_parquet_types_and_row_groups(run):
    run.parquet(
        "events.parquet",
        {
            "u": pa.array([1, 2, 3], pa.int32()),
            "i": pa.array(["a", "b", "c"]).dictionary_encode(),
            "at": pa.array([0, 1_000, 2_000], pa.timestamp("ms")),
            "big": pa.array([1.0, None, 3.0], pa.float32()),
            "tags": pa.array([["p"], [], None], pa.large_list(pa.string())),
            "vector": pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.float32(), 2)),
            "nested": [[{"x": 1}]] * 3,
        },
        row_group_size=2,
    )
    facts = run(interactions={"format": "parquet", "path": ".", "columns": {**PAIR, "timestamp": "at"}})
    assert run.rows("interactions")[2] == {
        "query_id": "3",
        "candidate_id": "c",
        "timestamp": datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC),
        "big": 3.0,
        "tags": None,
        "vector": [5.0, 6.0],
    }
    assert run.types()["vector"] == "list<float64>"
    assert "nested" in facts["columns_left_out"]["interactions"]


def test_json_lines_plain_gzipped_and_broken(run):
    run.write(
        "a.jsonl", '{"u": 1, "i": "x", "day": "2020-01-01"}\n\n{"u": 2, "i": "y", "day": "later", "n": {"z": 1}}\n'
    )
    lines = b'{"u": "3", "i": "z"}\n{"u": \n[1]\n{"u": 4, "i": 5, "tags": ["p", "q"]}\n{"i": 1}\n'
    (run.directory / "b.jsonl.gz").write_bytes(gzip.compress(lines))
    run(interactions={"format": "jsonl", "path": ["a.jsonl", "b.jsonl.gz"], "columns": PAIR}, max_bad_fraction=0.5)
    assert run.rows("interactions") == [
        {"query_id": "1", "candidate_id": "x", "day": "2020-01-01", "n.z": None, "tags": None},
        {"query_id": "2", "candidate_id": "y", "day": "later", "n.z": 1, "tags": None},
        {"query_id": "3", "candidate_id": "z", "day": None, "n.z": None, "tags": None},
        {"query_id": "4", "candidate_id": "5", "day": None, "n.z": None, "tags": ["p", "q"]},
    ]
    dead = [(letter["file"], letter["row"], letter["reason"]) for letter in run.rows("dead_letters", "row")]
    assert dead == [
        ("b.jsonl.gz", 1, "not JSON"),
        ("b.jsonl.gz", 2, "not a JSON object"),
        ("b.jsonl.gz", 4, "query_id is empty"),
    ]


def test_the_first_of_duplicate_candidates_is_kept(run):
    run.write("events.csv", "u,i\na,x\n")
    run.write("items1.csv", "i,title\nx,first\ny,other\nx,second\n")
    run.write("items2.csv", "i,title\ny,third\nz,new\n")
    run(
        interactions=csv(),
        candidates={"format": "csv", "path": ["items1.csv", "items2.csv"], "id": "i"},
        max_bad_fraction=0.5,
    )
    titles = {row["candidate_id"]: row["title"] for row in run.rows("candidates")}
    assert titles == {"x": "first", "y": "other", "z": "new"}
    dead = [(letter["file"], letter["row"], letter["reason"]) for letter in run.rows("dead_letters")]
    assert dead == [("items1.csv", 2, "duplicate candidate_id"), ("items2.csv", 0, "duplicate candidate_id")]
    assert run.summary("candidates") == {
        "in": 5, "out": 3, "dead": 2, "filtered": 0, "reasons": {"duplicate candidate_id": 2},
    }  # fmt: skip


def test_query_table_from_interactions_has_the_values_of_the_first_event(run):
    run.write("b.csv", "u,i,at,age,zip\na,x,300,30,Z\nb,x,50,7,\n")
    run.write("c.csv", "u,i,at,age,zip\na,y,100,10,X\na,z,200,20,Y\n")
    source = csv(["b.csv", "c.csv"], columns={**PAIR, "timestamp": "at"}, keep=[])
    run(interactions=source, queries={"format": "interactions", "columns": ["age", "zip"]})
    assert run.rows("queries") == [
        {"query_id": "a", "age": 10, "zip": "X"},
        {"query_id": "b", "age": 7, "zip": None},
    ]
    assert run.types() == {"query_id": "string", "candidate_id": "string", "timestamp": "timestamp"}


def test_ties_in_time_are_broken_by_order_column_then_by_content(run):
    run.write("one.csv", "u,i,at,n,age\na,x,1,5,50\na,y,1,4,40\n")
    source = csv("one.csv", columns={**PAIR, "timestamp": "at", "order": "n"})
    run(interactions=source, queries={"format": "interactions", "columns": ["age"]})
    assert run.rows("queries") == [{"query_id": "a", "age": 40}]

    ages = []
    for lines in (["a,x,10", "a,y,20", "a,z,30"], ["a,z,30", "a,y,20", "a,x,10"]):
        run.write("two.csv", "u,i,age\n" + "\n".join(lines) + "\n")
        run(interactions=csv("two.csv"), queries={"format": "interactions", "columns": ["age"]})
        ages.append(run.rows("queries"))
    assert ages[0] == ages[1]


def test_keep_selects_columns_and_reserved_names_are_left_out(run):
    run.write("events.csv", "u,i,weight,device,note\na,x,1,tv,n\n")
    facts = run(interactions=csv())
    assert set(run.types()) == {"query_id", "candidate_id", "device", "note"}
    assert "weight" in facts["columns_left_out"]["interactions"]
    run(interactions=csv(keep=["device"]))
    assert set(run.types()) == {"query_id", "candidate_id", "device"}


def shard_bytes(examples):
    return {path.relative_to(examples.path): path.read_bytes() for path in sorted(examples.path.rglob("*.*"))}


def test_same_input_gives_the_same_files(run, tmp_path):
    for day in range(3):
        run.write(f"day{day}.csv", "u,i,age\n" + "".join(f"u{n % 7},i{n},{n}\n" for n in range(day, 40, 3)))
    data = {"interactions": csv("day*.csv"), "queries": {"format": "interactions", "columns": ["age"]}}
    run(**data)
    first = shard_bytes(run.examples)
    run.examples = Examples(tmp_path / "again")
    run(**data)
    assert shard_bytes(run.examples) == first
    assert {path.name for path in first if path.parent.name == "interactions"} == {
        "part-00000.parquet", "part-00001.parquet", "part-00002.parquet",
    }  # fmt: skip


def test_the_fingerprint_follows_content_not_location(run, tmp_path):
    run.write("events.csv", "u,i\na,x\n")
    before = run.component(interactions=csv()).prepare().external
    elsewhere = Run(tmp_path / "elsewhere")
    elsewhere.directory.mkdir()
    elsewhere.write("events.csv", "u,i\na,x\n")
    assert elsewhere.component(interactions=csv()).prepare().external == before
    run.write("events.csv", "u,i\na,y\n")
    assert run.component(interactions=csv()).prepare().external != before
    with pytest.raises(DataError, match="does not exist"):
        run.component(interactions=csv("other.csv")).prepare()
