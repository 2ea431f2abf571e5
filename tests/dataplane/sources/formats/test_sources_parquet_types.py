"""Columns of warehouses' Parquet files: ids of several types, fields of structs, bytes."""

import uuid
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataplane.errors import DataError
from dataplane.sources.formats.parquet_columns import as_read, hex_texts, uuid_texts
from dataplane.sources.headers import check_headers
from dataplane.sources.ingestion.id_values import ids_of
from models.spec.features import FeatureSpec
from tests.components.source_runs import PAIR, Run, csv
from tests.paths import SHARED

CASES = SHARED / "cases"
UUIDS = [uuid.UUID(int=5), uuid.UUID("0123456789abcdef0123456789abcdef")]


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def parquet(path="events.parquet", columns=PAIR, **settings):
    return {"format": "parquet", "path": path, "columns": columns, **settings}


def problems(run, source, features=None):
    spec = FeatureSpec.model_validate(features or {})
    return [problem.message for problem in check_headers(run.component(interactions=source).params, spec)]


def ids(run, values, **settings):
    """Ids that values are converted to, in both tables."""
    run.parquet("events.parquet", {"u": values, "i": ["x"] * len(values)})
    run.parquet("users.parquet", {"u": values, "n": list(range(len(values)))})
    source = parquet(**settings)
    assert problems(run, source) == []
    run(interactions=source, queries={"format": "parquet", "path": "users.parquet", "id": "u", **settings})
    found = [row["query_id"] for row in run.rows("interactions")]
    assert sorted(found) == [row["query_id"] for row in run.rows("queries", "query_id")]
    return found


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([12346, -7, 0], pa.decimal128(38, 0)), ["12346", "-7", "0"]),
        (pa.array([Decimal("12346"), Decimal(0), 10**37], pa.decimal128(38, 0)), ["12346", "0", "1" + "0" * 37]),
        (pa.array([Decimal("12346.0000000000"), Decimal(0)], pa.decimal128(38, 10)), ["12346", "0"]),
        (pa.array([10**60, 1], pa.decimal256(70, 0)), ["1" + "0" * 60, "1"]),
        (pa.array([12346, 7], pa.decimal32(9, 0)), ["12346", "7"]),
        (pa.array([value.bytes for value in UUIDS], pa.uuid()), [str(value) for value in UUIDS]),
        (pa.array([value.bytes for value in UUIDS], pa.binary(16)), [str(value) for value in UUIDS]),
        (pa.array([b"\x00\xff", b"ab"], pa.binary(2)), ["00ff", "6162"]),
        (pa.array([b"abc", "é".encode()], pa.binary()), ["abc", "é"]),
        (pa.array([b"abc", b"d"], pa.large_binary()), ["abc", "d"]),
        (pa.array([2**64 - 1, 5], pa.uint64()), ["18446744073709551615", "5"]),
        (pa.array([1, 2], pa.int8()), ["1", "2"]),
        (pa.array(["a", "b"], pa.large_string()), ["a", "b"]),
        (pa.array(["a", "b"], pa.string_view()), ["a", "b"]),
        (pa.array([7, 8, 7]).dictionary_encode(), ["7", "8", "7"]),
        (pa.array(["007", "8", "007"]).dictionary_encode(), ["007", "8", "007"]),
        (pa.array([Decimal(7), Decimal(8)], pa.decimal128(38, 0)).dictionary_encode(), ["7", "8"]),
    ],
    ids=lambda values: str(values.type) if isinstance(values, pa.Array) else "",
)  # fmt: skip
def test_ids(run, values, expected):
    if len(set(expected)) < len(expected):
        run.parquet("events.parquet", {"u": values, "i": ["x"] * len(values)})
        run(interactions=parquet())
        assert [row["query_id"] for row in run.rows("interactions")] == expected
    else:
        assert ids(run, values) == expected


@pytest.mark.parametrize(
    ("values", "bytes_as", "expected"),
    [
        (pa.array([b"NL", b"BE"], pa.binary(2)), "text", ["NL", "BE"]),
        (pa.array([value.bytes for value in UUIDS], pa.binary()), "uuid", [str(value) for value in UUIDS]),
        (pa.array([value.bytes for value in UUIDS], pa.binary(16)), "hex", [value.hex for value in UUIDS]),
        (pa.array([b"\xff", b"\xffab"], pa.binary()), "hex", ["ff", "ff6162"]),
    ],
)
def test_bytes_as_configured(run, values, bytes_as, expected):
    assert ids(run, values, bytes_as=bytes_as) == expected


def test_bytes_that_are_not_a_uuid(run):
    run.parquet("events.parquet", {"u": [b"0123456789abcdef", b"abc"], "i": ["x", "y"]})
    with pytest.raises(DataError, match=r"events\.parquet: column 'u' has a value of 3 bytes; a UUID has 16"):
        run(interactions=parquet(bytes_as="uuid"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([True, False], "holds bool (in events.parquet), not text or integers"),
        ([12346.0, 1.5], "holds float64 (in events.parquet)"),
        ([[{"id": 1}], []], "write one row per value"),
        (pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())), "holds map<string, int64"),
        ([["a"], ["b"]], "holds list<string> (in events.parquet), not text or integers; write one row per value"),
        (pa.array([5, 6], pa.duration("s")), "holds duration[s]"),
        (pa.array([5, 6], pa.date32()), "holds timestamp"),
    ],
)
def test_types_that_cannot_be_ids(run, values, message):
    """`validate` gives the same message."""
    run.parquet("events.parquet", {"u": values, "i": ["x", "y"]})
    with pytest.raises(DataError) as error:
        run(interactions=parquet())
    assert message in str(error.value)
    [problem] = problems(run, parquet())
    assert message in problem


def test_floats_as_ids(run):
    """Floats are refused with an example and the setting that reads them; then, fractions are dead letters."""
    run.parquet("events.parquet", {"u": [None, 12346.0, 12347.0, 1.5, float("nan"), 2.0**60], "i": ["x"] * 6})
    with pytest.raises(DataError, match=r"such as 12346\.0, not text or integers; .*'whole_number_ids: true'"):
        run(interactions=parquet())
    [problem] = problems(run, parquet())
    assert "such as 12346.0, not text or integers" in problem
    source = parquet(whole_number_ids=True)
    assert problems(run, source) == []
    run(interactions=source, max_bad_fraction=0.9)
    assert [row["query_id"] for row in run.rows("interactions")] == ["12346", "12347"]
    assert [(letter["row"], letter["reason"]) for letter in run.rows("dead_letters", "row")] == [
        (0, "query_id is empty"), (3, "query_id is not a whole number"), (4, "query_id is empty"),
        (5, "query_id is not a whole number"),
    ]  # fmt: skip


def test_integers_in_some_files_and_floats_in_others(run):
    run.parquet("a.parquet", {"u": [1, 2], "i": ["x", "y"]})
    run.parquet("b.parquet", {"u": [1.0, None, 3.0], "i": ["x", "y", "z"]})
    with pytest.raises(DataError, match=r"query_id column 'u' holds float64 \(in b\.parquet\)"):
        run(interactions=parquet("*.parquet"))
    run(interactions=parquet("*.parquet", whole_number_ids=True), max_bad_fraction=0.5)
    assert sorted(row["query_id"] for row in run.rows("interactions")) == ["1", "1", "2", "3"]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_whole_numbers_in_text_formats(run, kind):
    values = ["12346.0", "12347.", "007.00", "A1.0", "5", "1.5", "1e5", "-3.0"]
    if kind == "csv":
        run.write("events.csv", "u,i\n" + "".join(f"{value},x\n" for value in values))
    else:
        values = ["12346.0", "5", "1.5", "100000.0", "-3.0"]
        run.write("events.jsonl", "".join(f'{{"u": {value}, "i": "x"}}\n' for value in values))
    source = {**csv(f"events.{kind}"), "format": kind}
    if kind == "csv":
        run(interactions=source)
        assert [row["query_id"] for row in run.rows("interactions")] == values, "texts are ids as they are"
    else:
        with pytest.raises(DataError, match="whole_number_ids"):
            run(interactions=source)
    run(interactions={**source, "whole_number_ids": True}, max_bad_fraction=0.5)
    expected = ["12346", "12347", "007", "A1.0", "5", "-3"] if kind == "csv" else ["12346", "5", "100000", "-3"]
    assert [row["query_id"] for row in run.rows("interactions")] == expected
    assert {letter["reason"] for letter in run.rows("dead_letters")} == {"query_id is not a whole number"}


def test_fractions_in_decimal_ids(run):
    values = pa.array([Decimal("1.50"), Decimal("2.00"), None], pa.decimal128(38, 2))
    run.parquet("events.parquet", {"u": values, "i": ["x"] * 3})
    with pytest.raises(DataError, match=r"query_id is not a whole number, such as '1\.50' in events\.parquet, row 0"):
        run(interactions=parquet(), max_bad_fraction=0.1)
    run(interactions=parquet(), max_bad_fraction=0.9)
    assert [row["query_id"] for row in run.rows("interactions")] == ["2"]


def test_decimals_as_timestamps_weights_and_other_columns(run):
    run.parquet(
        "events.parquet",
        {
            "u": ["a", "b"], "i": ["x", "y"],
            "at": pa.array([Decimal("1606468650.5"), Decimal("1606468651")], pa.decimal128(20, 6)),
            "n": pa.array([5, None], pa.decimal128(38, 0)),
            "price": pa.array([Decimal("9.99"), None], pa.decimal128(10, 2)),
            "w": pa.array([3, 4], pa.decimal128(3, 0)),
        },
    )  # fmt: skip
    run(interactions=parquet(columns={**PAIR, "timestamp": "at", "weight": "w"}))
    [first, second] = run.rows("interactions", "query_id")
    assert (first["n"], first["price"], first["weight"]) == (5, 9.99, 3.0)
    assert (second["n"], second["price"]) == (None, None)
    assert first["timestamp"].isoformat() == "2020-11-27T09:17:30.500000+00:00"
    assert run.types()["n"] == "int64"
    run.parquet("events.parquet", {"u": ["a"], "i": ["x"], "n": pa.array([10**30], pa.decimal128(38, 0))})
    with pytest.raises(DataError, match=r"events\.parquet: column 'n' has integers of more than 64 bits"):
        run(interactions=parquet())
    run(interactions=parquet(keep=[]))


NESTED = {"query_id": "user.id", "candidate_id": "item.key.sku", "timestamp": "meta.at", "weight": "meta.w"}


def write_nested(run):
    rows = [
        {
            "user": {"id": f"u{n}", "country": "NL", "tags": ["a", "b"]},
            "item": {"key": {"sku": n}},
            "meta": {"at": 1606468650 + n, "w": 1.0},
            "basket": [{"sku": 1}],
        }
        for n in range(3)
    ]
    rows.append({"user": None, "item": None, "meta": None, "basket": None})
    pq.write_table(pa.Table.from_pylist(rows), run.directory / "events.parquet")


def test_fields_of_structs_by_their_path(run):
    write_nested(run)
    source = parquet(columns=NESTED)
    features = {"context": {"country": {"type": "categorical", "column": "user.country"}}}
    assert problems(run, source, features) == []
    run(interactions=source, max_bad_fraction=0.5)
    rows = run.rows("interactions", "query_id")
    assert [(row["query_id"], row["candidate_id"], row["weight"]) for row in rows] == [
        ("u0", "0", 1.0), ("u1", "1", 1.0), ("u2", "2", 1.0),
    ]  # fmt: skip
    assert rows[0]["user.country"] == "NL"
    assert rows[0]["user.tags"] == ["a", "b"]
    assert [letter["reason"] for letter in run.rows("dead_letters")] == ["query_id is empty"]
    assert "basket" not in run.types()


def test_a_struct_in_place_of_its_fields(run):
    write_nested(run)
    source = parquet(columns={**NESTED, "query_id": "user"})
    assert problems(run, source) == ["there is no column 'user'"]
    with pytest.raises(DataError, match=r"has no column 'user'; it has user\.id, user\.country"):
        run(interactions=source)


@pytest.mark.parametrize(
    ("names", "message"),
    [(["u", "i", "u"], "has 'u' twice"), (["u", "i", "s", "s.x"], r"has 's\.x' twice")],
)
def test_duplicate_names_are_refused(run, names, message):
    arrays = [pa.array([{"x": 1}]) if name == "s" else pa.array(["1"]) for name in names]
    pq.write_table(pa.Table.from_arrays(arrays, names=names), run.directory / "events.parquet")
    with pytest.raises(DataError, match=rf"events\.parquet {message}; give each column its own name"):
        run(interactions=parquet())
    [problem] = problems(run, parquet())
    assert message.replace("\\", "") in problem


def test_lists_of_uuids_and_numbers(run):
    lists = pa.array([[UUIDS[0].bytes], None, [], [UUIDS[1].bytes, None]], pa.list_(pa.binary(16)))
    numbers = pa.array([[1], [2, 3], None, []], pa.list_(pa.int64()))
    run.parquet("events.parquet", {"u": list("abcd"), "i": list("wxyz"), "l": lists, "n": numbers})
    run(interactions=parquet())
    rows = run.rows("interactions", "query_id")
    assert [row["l"] for row in rows] == [[str(UUIDS[0])], None, [], [str(UUIDS[1]), None]]
    assert [row["n"] for row in rows] == [[1], [2, 3], None, []]


def test_types_that_parquet_itself_cannot_hold():
    repeated = pa.array([Decimal(1), Decimal(1), None], pa.decimal128(5, 0))
    encoded = pa.RunEndEncodedArray.from_arrays([2, 3], pa.array([Decimal(1), None], pa.decimal128(5, 0)))
    assert as_read(encoded, "auto", "c").equals(repeated)
    assert as_read(pa.array(['{"a": 1}'], pa.json_()), "auto", "c").to_pylist() == ['{"a": 1}']


def test_digits_of_parts_of_arrays():
    """Arrays may start in the middle of their buffers."""
    values = pa.array([b"\x00\x01", None, b"\xfe\xff", b"zz"], pa.binary(2))
    assert hex_texts(values[1:3]).to_pylist() == [None, "feff"]
    assert hex_texts(values[4:]).to_pylist() == []
    many = pa.array([value.bytes for value in UUIDS] + [None], pa.binary(16))
    assert uuid_texts(many[1:], "c").to_pylist() == [str(UUIDS[1]), None]
    assert hex_texts(pa.array([b"", None, b"\x0a"], pa.binary())).to_pylist() == ["", None, "0a"]


def test_ids_keep_all_digits():
    random = np.random.default_rng(1)
    whole = random.integers(-(2**53) + 1, 2**53, 200)
    found, wrong = ids_of(pa.array(whole.astype(float)), whole_numbers=True)
    assert found.to_pylist() == [str(value) for value in whole]
    assert not any(wrong.to_pylist())
    found, wrong = ids_of(pa.array([Decimal("1200"), None], pa.decimal128(5, -2)), whole_numbers=False)
    assert (found.to_pylist(), wrong.to_pylist()) == (["1200", None], [False, False])
    found, wrong = ids_of(pa.array([-0.0, float("inf"), None, 2.0**53]), whole_numbers=True)
    assert (found.to_pylist(), wrong.to_pylist()) == (["0", None, None, None], [False, True, False, True])


def test_a_warehouse_export(run):
    case = CASES / "parquet-ids-of-warehouses"
    if not case.is_dir():
        pytest.skip(f"{case} is not there")
    columns = {"query_id": "user_id", "candidate_id": "item_id", "timestamp": "ts"}
    run(interactions=parquet(str(case / "decimal.parquet"), columns))
    assert run.rows("interactions")[0]["candidate_id"] == "6"
