"""Delimited text of databases and warehouses is read correctly, or refused with a setting to change."""

import csv as csv_module
import io

import pytest

from dataplane.errors import DataError
from dataplane.sources.headers import check_headers
from models.spec.features import FeatureSpec
from tests.components.source_runs import PAIR, csv
from tests.dataplane.sources.formats.csv_runs import SPARK, messages_of, values
from tests.paths import SHARED

CASES = SHARED / "cases"


@pytest.mark.parametrize(
    ("field", "meant"),
    [
        (r'"The \"Real\" Thing, part 6"', 'The "Real" Thing, part 6'),
        (r'"The \"Real\" Thing"', 'The "Real" Thing'),
        (r'"Purple 12\""', 'Purple 12"'),
        (r'"12\", then 7\""', '12", then 7"'),
        (r'"C:\\"', "C:\\"),
        (r'"C:\temp\new, and so on"', r"C:\temp\new, and so on"),
        (r'"back\\\"slash"', r"back\"slash"),
        ('"two\nlines, \\"quoted\\""', 'two\nlines, "quoted"'),
        (r"5\" without quotes", '5" without quotes'),
        ("ends in a backslash\\", "ends in a backslash\\"),
        ('"a ""doubled"" one"', 'a "doubled" one'),
        ("\x1f and \x1e0 and \x1d", "\x1f and \x1e0 and \x1d"),
        (r"\N", r"\N"),
    ],
)
def test_quotes_escaped_by_backslashes(run, field, meant):
    run.write("events.csv", f"u,i,t,n\na,x,{field},1\nb,y,plain,2\n")
    run(interactions=csv(**SPARK))
    assert values(run) == [meant, "plain"]
    assert values(run, "n") == [1, 2]


@pytest.mark.parametrize(
    "field",
    [
        r'"The \"Real\" Thing"', r'"Purple 12\""', 'plain\nb,y,"he said \\"no\\" twice"', r'"\"a\""',
        'x\nb,y,"two\nlines \\"quoted\\" here"',
    ],
)  # fmt: skip
def test_unconfigured_escapes_are_noticed(run, field):
    """With doubled quotes, these rows would be misread in silence."""
    run.write("events.csv", f"u,i,t\na,x,{field}\n" + "c,z,w\n" * 30)
    messages, message = messages_of(run)
    assert messages == []
    line = 2 if field.startswith('"') else 3
    assert f"events.csv, line {line}: " in message
    assert r"looks escaped by backslashes: set escape: '\'" in message
    run(interactions=csv(**SPARK))
    assert run.summary()["dead"] == 0


def test_backslashes_that_add_fields_are_named_in_the_reason(run):
    run.write("events.csv", "u,i,t\n" + 'a,x,"5\\", 6"\n' * 3)
    _, message = messages_of(run)
    assert r"set escape: '\'" in message
    run.write("events.csv", "u,i,t\n" + "a,x,5\\, 6\n" * 3)
    _, message = messages_of(run, quote=None)
    assert r"4 fields instead of 3; backslashes look like escapes: set escape: '\'" in message
    run(interactions=csv(quote=None, **SPARK))
    assert values(run) == ["5, 6"] * 3


@pytest.mark.parametrize(
    "field", [r'"ends in \"', r"un\"quoted", '"a ""doubled"" \\ one"', r'"\\server\share"', '"x\ny"', "'s, t"[:2], '""']
)
def test_intended_backslashes_and_quotes_are_read(run, field):
    run.write("events.csv", f"u,i,t,n\na,x,{field},1\nb,y,w,2\n")
    run(interactions=csv())
    assert values(run, "n") == [1, 2]
    [expected] = [row[2] for row in csv_module.reader(io.StringIO(f"a,x,{field},1\n", newline=""))]
    assert values(run)[0] == (expected or None)


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ('a,"Weird Al\nb,"Foo\nc,x\n', 2),
        ('a,x\nb,"never closed\nc,y\n', 3),
        ('a,"two\nlines"\nb,"Weird Al\nc,"Foo\n', 4),
        ("a,x\r\n" + 'b,"cut off', 3),
    ],
)
def test_quotes_that_would_swallow_rows(run, rows, line):
    run.write("events.csv", "u,i\n" + rows)
    _, message = messages_of(run)
    assert f"events.csv, line {line}: a field begins with a quote that " in message
    assert "set 'quote: null'" in message


def test_text_of_hive(run):
    run.write("part", "a\x01x\x01one\\\x01two\x01\\N\nb\x01y\x01three\\\\\x014\n")
    settings = {"names": ["u", "i", "t", "n"], "delimiter": "\x01", "quote": None, "null_values": ["\\N"]}
    run(interactions=csv("part", **settings, **SPARK))
    assert values(run) == ["one\x01two", "three\\"]
    assert values(run, "n") == [None, 4]


def test_directories_of_hive_and_spark(run):
    """Their parts have no suffix; a glob lists them, and the refusal suggests one."""
    (run.directory / "events").mkdir()
    settings = {"names": ["u", "i"], "delimiter": "\x01", "quote": None}
    run.write("events/000000_0", "a\x01x\n")
    run.write("events/000001_0", "b\x01y\n")
    run.write("events/_SUCCESS", "")
    messages, message = messages_of(run, path="events", **settings)
    assert messages == [message]
    assert f"if 000000_0 is a csv file, name it by a glob: {run.directory}/events/*" in message
    run(interactions=csv("events/*", **settings))
    assert run.summary()["out"] == 2


@pytest.mark.parametrize("delimiter", ["::", "|||", "\t|\t", "~|~", ", ", "¦", "\x1f::", "aXa"])
@pytest.mark.parametrize("quote", ['"', None])
def test_long_delimiters(run, delimiter, quote):
    rows = [
        ["u", "i", "t"],
        ["a", "x", "x\x1fy:|\t"],
        ["b", "y", f"one{delimiter}two" if quote else "\x1e1"],
        ["c", "é", ":"],
    ]
    written = [[f'"{v}"' if delimiter in v else v for v in row] for row in rows]
    run.write("events.csv", "".join(delimiter.join(row) + "\n" for row in written))
    source = csv(delimiter=delimiter, quote=quote)
    assert check_headers(run.component(interactions=source).params, FeatureSpec()) == []
    run(interactions=source)
    assert values(run) == [row[2] for row in rows[1:]]
    assert values(run, "candidate_id") == ["x", "y", "é"]


def test_ratings_of_movielens(run):
    run.write("ratings.dat", "1::1193::5::978300760\n1::661::3::978302109\n2::bad\n")
    names = ["u", "i", "rating", "at"]
    columns = {**PAIR, "timestamp": "at", "weight": "rating"}
    run(interactions=csv("ratings.dat", columns, names=names, delimiter="::"), max_bad_fraction=0.5)
    assert [(row["candidate_id"], row["weight"]) for row in run.rows("interactions")] == [("1193", 5.0), ("661", 3.0)]
    [dead] = run.rows("dead_letters")
    assert (dead["record"], dead["reason"], dead["row"]) == ("2::bad", "2 fields instead of 4", 2)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "shift-jis", "cp1252"])
def test_long_delimiters_and_escapes_in_other_encodings(run, encoding):
    text = "表|ソ" if encoding == "shift-jis" else "é|"
    run.write("events.csv", f'u::i::t\na::x::"{text} \\"q\\""\n', encoding)
    run(interactions=csv(encoding=encoding, delimiter="::", **SPARK))
    assert values(run) == [f'{text} "q"']


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r", "mixed"])
@pytest.mark.parametrize("settings", [{}, {"delimiter": "::"}])
def test_line_endings(run, ending, settings):
    mark = settings.get("delimiter", ",")
    lines = [mark.join(row) for row in (["u", "i", "t"], ["a", "x", "1"], ["b", "y", "2"], ["c", "z", "3"])]
    text = "".join(line + end for line, end in zip(lines, ["\r\n", "\n", "\r", ""], strict=True))
    run.write("events.csv", text if ending == "mixed" else ending.join(lines))
    run(interactions=csv(**settings))
    assert values(run) == [1, 2, 3]


def test_empty_lines_marks_and_names_over_lines_before_the_rows(run):
    run.write("events.csv", '\ufeff\n\r\n"u",i,"t\nt"\na,x,1\n\nb,y\n')
    run(interactions=csv(), max_bad_fraction=0.5)
    assert values(run, "t\nt") == [1]
    [dead] = run.rows("dead_letters")
    assert (dead["row"], dead["record"]) == (1, "b,y")


@pytest.mark.parametrize("name", ["backslash-escaped-quotes"])
def test_a_csv_export_of_spark(run, name):
    if not (CASES / name).is_dir():
        pytest.skip(f"{CASES / name} is not there")
    columns = {"query_id": "user_id", "candidate_id": "item_id", "timestamp": "ts"}
    source = csv(str(CASES / name / "events.csv"), columns)
    items = {"format": "csv", "path": str(CASES / name / "items.csv"), "id": "item_id"}
    with pytest.raises(DataError, match="looks escaped by backslashes"):
        run(interactions=source)
    run(interactions={**source, **SPARK}, candidates={**items, **SPARK})
    assert values(run, "title")[0] == 'The "Real" Thing, part 6'
    assert run.rows("candidates", "candidate_id")[0]["title"] == 'The "Real" Thing 0'
