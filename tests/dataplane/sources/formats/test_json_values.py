"""Inner objects of JSON records are read by path, and MongoDB's typed values as values."""

import json
from datetime import UTC, datetime

import pytest

from dataplane.errors import DataError
from dataplane.sources.formats.json_values import DuplicateMemberError, flat, unwrapped
from dataplane.sources.headers import check_headers
from models.spec.features import FeatureSpec
from tests.components.source_runs import PAIR, Run

NESTED = {"query_id": "user.id", "candidate_id": "item.key.sku", "timestamp": "meta.at"}
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def lines(run, records, name="events.jsonl"):
    run.write(name, "".join(json.dumps(record) + "\n" for record in records))


def source(columns=PAIR, path="events.jsonl", **settings):
    return {"format": "jsonl", "path": path, "columns": columns, **settings}


def records(count=3):
    return [
        {
            "user": {"id": f"0{n}", "country": "NL", "tags": ["a", "b"]},
            "item": {"key": {"sku": n}},
            "meta": {"at": "2026-01-02T03:04:05Z"},
            "basket": [{"sku": 1}],
        }
        for n in range(count)
    ]


@pytest.mark.parametrize("form", ["lines", "list", "member", "one"])
def test_members_of_objects_by_their_path(run, form):
    rows = records(1 if form == "one" else 3)
    texts = {"list": json.dumps(rows), "member": json.dumps({"data": rows}), "one": json.dumps(rows[0])}
    run.write("events.jsonl", texts.get(form) or "\n".join(map(json.dumps, rows)))
    spec = {"context": {"country": {"type": "categorical", "column": "user.country"}}}
    params = run.component(interactions=source(NESTED)).params
    assert check_headers(params, FeatureSpec.model_validate(spec)) == []
    run(interactions=source(NESTED))
    read = run.rows("interactions", "query_id")
    assert [(row["query_id"], row["candidate_id"]) for row in read] == [(f"0{n}", str(n)) for n in range(len(rows))]
    assert (read[0]["user.country"], read[0]["user.tags"], read[0]["timestamp"]) == ("NL", ["a", "b"], AT)
    assert "basket" not in run.types()


def test_records_that_are_parsed_one_by_one_have_the_same_columns(run):
    rows = [*records(2), {"user": None, "item": {"key": {"sku": 3}}}, {"user": "u4", "item": {"key": {"sku": 4}}}]
    run.write("events.jsonl", "\n".join([*map(json.dumps, rows), "{broken"]))
    run(interactions=source(NESTED), max_bad_fraction=0.8)
    assert [row["query_id"] for row in run.rows("interactions", "query_id")] == ["00", "01"]
    assert [letter["reason"] for letter in run.rows("dead_letters", "row")] == [
        "query_id is empty", "query_id is empty", "not JSON",
    ]  # fmt: skip


def test_a_date_inside_an_object_is_read_as_its_format_says(run):
    lines(run, [{"u": "a", "i": "x", "meta": {"at": "2026-02-01"}}])
    columns = {**PAIR, "timestamp": "meta.at"}
    run(interactions=source(columns, date_formats={"meta.at": "%Y-%d-%m"}))
    assert run.rows("interactions")[0]["timestamp"] == datetime(2026, 1, 2, tzinfo=UTC)


def test_a_name_with_a_point_and_a_path_are_the_same_column(run):
    lines(run, [{"u": "a", "i": "x", "c.d": "q"}, {"u": "a", "i": "y", "c": {"d": "r"}}])
    run(interactions=source())
    assert [row["c.d"] for row in run.rows("interactions", "candidate_id")] == ["q", "r"]
    lines(run, [{"u": "a", "i": "x", "c.d": "q"}, {"u": "a", "i": "y", "c.d": "q", "c": {"d": "r"}}])
    run(interactions=source(), max_bad_fraction=0.5)
    assert [letter["reason"] for letter in run.rows("dead_letters")] == ["has 'c.d' twice"]
    lines(run, [{"u": "a", "i": "x", "c.d": "q", "n": 1}])
    run(interactions=source({**PAIR, "query_id": "c.d"}))
    assert run.rows("interactions")[0]["query_id"] == "q"


def test_paths_are_checked_before_a_run_where_all_records_have_them(run):
    lines(run, records())
    wrong = source({**NESTED, "query_id": "user.name"})
    [problem] = check_headers(run.component(interactions=wrong).params, FeatureSpec())
    assert problem.message == "there is no column 'user.name'"
    assert problem.allowed == ("user.id", "user.country", "user.tags", "item.key.sku", "meta.at", "basket")
    lines(run, [*records(), *records()[:1], {**records()[0], "user": {"name": "n"}}])
    assert check_headers(run.component(interactions=wrong).params, FeatureSpec()) == [], "some may have it"
    lost = source({**NESTED, "query_id": "buyer"})
    [problem] = check_headers(run.component(interactions=lost).params, FeatureSpec())
    assert problem.message == "there is no column 'buyer'"
    with pytest.raises(DataError, match=r"has no column 'user'; it has .*user\.id"):
        run(interactions=source({**NESTED, "query_id": "user"}))


def test_values_that_mongodb_wraps(run):
    rows = [
        {
            "_id": {"$oid": f"65a{n}"}, "user": {"$numberLong": f"900719925474099{n}"}, "item": {"id": {"$oid": "x"}},
            "at": {"$date": "2026-01-02T03:04:05Z"} if n % 2 else {"$date": {"$numberLong": "1767323045000"}},
            "price": {"$numberDecimal": "1.50"}, "n": n if n else {"$numberInt": "0"}, "tags": [{"$oid": "t"}],
            "note": 'he wrote {"$oid": "1"}',
        }
        for n in range(4)
    ]  # fmt: skip
    columns = {"query_id": "user", "candidate_id": "item.id"}
    for parity in (0, 1):  # each file has its dates in one of the two ways
        lines(run, rows[parity::2])
        run(interactions=source({**columns, "timestamp": "at"}))
        read = run.rows("interactions", "query_id")
        assert [row["query_id"] for row in read] == [f"900719925474099{n}" for n in (parity, parity + 2)]
        assert {(row["candidate_id"], row["timestamp"], row["price"]) for row in read} == {("x", AT, 1.5)}
        assert [row["n"] for row in read] == [parity, parity + 2]
        assert read[0]["tags"] == ["t"]
        assert read[0]["note"] == 'he wrote {"$oid": "1"}'


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ('{"a": {"$numberDouble": "-Infinity"}}', '{"a": -Infinity}'),
        ('{"a": {"$numberLong": "007"}}', '{"a": {"$numberLong": "007"}}'),
        ('{"a": {"$oid": "1", "b": 2}}', '{"a": {"$oid": "1", "b": 2}}'),
        ('{"a": "{\\"$oid\\": \\"1\\"}"}', '{"a": "{\\"$oid\\": \\"1\\"}"}'),
        ('{"a": {"$symbol": "\\"}"}}', '{"a": "\\"}"}'),
        ('{"a":{ "$date" : {"$numberLong":"-5"} } }', '{"a":-5 }'),
    ],
)
def test_only_whole_wrappings_are_taken_off(line, plain):
    json.loads(line.replace("Infinity", "1"))
    assert unwrapped(line.encode()).decode() == plain


def test_flat_objects():
    assert flat({"a": {"b": {"c": 1}, "d": []}, "e": {}, "f": None}) == {"a.b.c": 1, "a.d": [], "f": None}
    assert list(flat({"a": {"b": 1, "c": 2}, "d": 3})) == ["a.b", "a.c", "d"]
    with pytest.raises(DuplicateMemberError, match=r"a\.b"):
        flat({"a.b": 1, "a": {"b": 2}})
