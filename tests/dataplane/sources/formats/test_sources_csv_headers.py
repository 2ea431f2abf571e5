"""Headers of delimited text: repeated, missing, in another order, or with a delimiter too many."""

import pytest

from dataplane.sources.config import CsvInteractions
from dataplane.sources.formats.csv_header import csv_header, translation_of
from dataplane.sources.headers import check_headers
from models.spec.features import FeatureSpec
from tests.components.source_runs import PAIR, csv
from tests.dataplane.sources.formats.csv_runs import SPARK, messages_of, values


@pytest.mark.parametrize(
    ("header", "rows"),
    [("u,i,t", ["a,x,1,", "b,y,2,"]), ("u,i,t,", ["a,x,1", "b,y,2"]), ("u,i,t,", ["a,x,1,", "b,y,2,"])],
)
@pytest.mark.parametrize("named", [True, False])
def test_trailing_delimiters(run, header, rows, named):
    if named:
        run.write("events.csv", "\n".join([header, *rows]))
    else:
        run.write("events.csv", "\n".join(rows))
    run(interactions=csv(names=None if named else header.split(",")))
    assert values(run) == [1, 2]
    assert set(run.types()) == {"query_id", "candidate_id", "t"}


def test_values_after_a_trailing_delimiter_are_dead_letters(run):
    run.write("events.csv", "u,i\n" + "a,x,\n" * 30 + "b,y,more\n")
    run(interactions=csv(), max_bad_fraction=0.1)
    [dead] = run.rows("dead_letters")
    assert (dead["row"], dead["reason"], dead["record"]) == (30, "3 fields instead of 2", "b,y,more")
    assert run.summary()["out"] == 30


@pytest.mark.parametrize(
    "again",
    ["u,i,t", '"u","i","t"', "\ufeffu,i,t", '\ufeff"u",i,t', "u,i,t\r"],
)
@pytest.mark.parametrize("columns", [PAIR, {**PAIR, "weight": "t"}])
def test_repeated_headers_are_dead_letters(run, again, columns):
    run.write("events.csv", "u,i,t\n" + "a,x,1\n" * 2 + f"{again}\n" + "b,y,2\n" * 2)
    run(interactions=csv(columns=columns))
    assert [row["query_id"] for row in run.rows("interactions")] == ["a", "a", "b", "b"]
    [dead] = run.rows("dead_letters")
    assert (dead["row"], dead["reason"]) == (2, "repeated header line")
    assert run.summary() | {"reasons": {}} == {"in": 5, "out": 4, "dead": 1, "filtered": 0, "reasons": {}}
    if columns is PAIR:
        assert run.types()["t"] == "int64"


def test_repeated_headers_of_candidates_and_of_files_with_names(run):
    run.write("events.csv", "u,i\na,x\nu,i\n")
    run.write("items.csv", "i,price\nx,1.5\ni,price\ny,2.5\n")
    run(interactions=csv(names=["u", "i"]), candidates={"format": "csv", "path": "items.csv", "id": "i"})
    assert [row["query_id"] for row in run.rows("interactions")] == ["a"]
    assert [row["price"] for row in run.rows("candidates", "candidate_id")] == [1.5, 2.5]
    assert run.summary()["reasons"] == {"repeated header line": 2}


@pytest.mark.parametrize(
    ("rows", "is_header"),
    [
        (["user,item,at", "1,2,1606468650", "3,4,1606468651", "5,6,1606468652"], True),
        (["user,item,at", "u1,i2,2020-01-01", "u3,i4,2020-01-02", "u5,i6,2020-01-03"], True),
        (["u0,i0,NULL", "u1,i2,1606468650", "u3,i4,1606468651", "u5,i6,1606468652"], False),
        (["u0,i0,1606468650", "u1,i2,1606468650", "u3,i4,1606468651", "u5,i6,1606468652"], False),
        (["ann,x,y", "bob,y,z", "cid,z,x", "dot,x,z"], False),
    ],
)
def test_a_header_in_a_file_with_names_is_refused(run, rows, is_header):
    run.write("events.csv", "\n".join(rows))
    settings = {"names": ["u", "i", "t"], "columns": {**PAIR, "timestamp": "t"}}
    if is_header:
        messages, message = messages_of(run, **settings)
        assert [text.replace(f"{run.directory}/", "") for text in messages] == [message]
        assert "the first row of events.csv looks like a header (user, item, at)" in message
    else:
        assert check_headers(run.component(interactions=csv(**settings)).params, FeatureSpec()) == []


def test_a_later_header_in_another_order_is_refused(run):
    run.write("events.csv", "u,i,t\na,x,1\ni,u,t\ny,b,2\n")
    _, message = messages_of(run)
    assert "events.csv has another header in row 1, with the columns in another order: i, u, t" in message


def test_a_duplicate_name_is_refused(run):
    run.write("events.csv", "u,i,t, t \na,x,1,2\n")
    messages, message = messages_of(run)
    assert [message] == [text.replace(str(run.directory) + "/", "") for text in messages]
    assert message == "the header of events.csv has t twice"


def test_validate_and_run_read_the_same_header(run):
    source = CsvInteractions.model_validate(csv(delimiter="::", **SPARK))
    run.write("events.csv", '"u"::i::"say \\"so\\""\na::x::1\n')
    header = csv_header(source, str(run.directory / "events.csv"))
    assert header.names == ["u", "i", 'say "so"']
    assert translation_of(source).needed
    run(interactions=csv(delimiter="::", **SPARK))
    assert values(run, 'say "so"') == [1]
