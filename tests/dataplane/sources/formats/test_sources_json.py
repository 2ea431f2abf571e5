"""JSON in every form that programs write."""

import gzip
import io
import json

import pytest

from dataplane.errors import DataError
from dataplane.sources.formats import json_records
from dataplane.sources.formats.json_records import looks_like_json, record_blocks
from dataplane.sources.headers import check_headers
from models.spec.features import FeatureSpec
from tests.components.source_runs import PAIR, Run
from tests.e2e.conftest import cli
from tests.paths import SHARED

CASE = SHARED / "cases" / "json-array"
ROWS = [{"u": f"u{n}", "i": f"ï{n}", "tags": [{"a": '}]{["'}], "n": n} for n in range(7)]
LINES = [json.dumps(row) for row in ROWS]
FORMS = {
    "lines": "\n".join(LINES),
    "blank lines": "\n\n" + "\r\n\r\n".join(LINES) + "\n\n",
    "list": json.dumps(ROWS),
    "pretty list": json.dumps(ROWS, indent=4, ensure_ascii=False),
    "a record a line in a list": "[\n" + ",\n".join(LINES) + "\n]\n",
    "lists one after the other": json.dumps(ROWS[:3]) + "\n" + json.dumps(ROWS[3:]),
    "member": json.dumps({"total": 7, "page": {"next": None}, "data": ROWS, "more": [1, 2]}),
    "pretty member": json.dumps({"rows": ROWS, "ok": True}, indent=1),
    "concatenated": "".join(LINES),
    "with commas": ",".join(LINES),
    "pretty objects": "\n".join(json.dumps(row, indent=2) for row in ROWS),
}


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def source(path="events.json", **settings):
    return {"format": "jsonl", "path": path, "columns": PAIR, **settings}


def records(text, block=64, ids=("u", "i")):
    content = text if isinstance(text, bytes) else text.encode()
    return [json.loads(line) for lines in record_blocks(io.BytesIO(content), "f", ids, block=block) for line in lines]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_form_gives_the_same_records(form, encoding):
    assert records(FORMS[form].encode(encoding)) == ROWS
    assert looks_like_json(FORMS[form].encode(encoding))


@pytest.mark.parametrize("form", FORMS)
def test_forms_are_recognised_from_the_beginning_of_large_files(form, monkeypatch):
    monkeypatch.setattr(json_records, "_HEAD", 200)
    assert records(FORMS[form]) == ROWS


def test_a_single_object_is_a_record_if_it_has_the_ids(run):
    line = json.dumps({"u": "a", "i": "x", "parts": [{"u": "b", "i": "y"}]})
    assert records(line) == [json.loads(line)]
    assert records(line, ids=("user",)) == [{"u": "b", "i": "y"}]


@pytest.mark.parametrize("form", ["list", "pretty list", "member", "concatenated", "pretty objects"])
@pytest.mark.parametrize("packed", [False, True])
def test_forms_are_read_by_a_run(run, form, packed):
    content = FORMS[form].encode("utf-16" if form == "list" else "utf-8")
    name = "events.json.gz" if packed else "events.json"
    (run.directory / name).write_bytes(gzip.compress(content) if packed else content)
    params = run.component(interactions=source(name)).params
    assert check_headers(params, FeatureSpec()) == []
    facts = run(interactions=source(name))
    assert [row["query_id"] for row in run.rows("interactions", "n")] == [row["u"] for row in ROWS]
    assert [row["candidate_id"] for row in run.rows("interactions", "n")] == [row["i"] for row in ROWS]
    assert facts["interactions"] == 7


def test_types_and_dead_letters_are_those_of_lines(run):
    rows = [{"u": "a", "i": "x", "n": 1}, {"u": "b", "i": "y", "n": float("nan")}, 5, {"u": "", "i": "z"}, ["l"]]
    run.write("events.json", json.dumps(rows))
    run(interactions=source(), max_bad_fraction=0.9)
    assert run.types()["n"] == "float64"
    assert [(letter["row"], letter["reason"]) for letter in run.rows("dead_letters", "row")] == [
        (2, "not a JSON object"), (3, "query_id is empty"), (4, "not a JSON object"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('["a", "x"]\n["b", "y"]\n', r'events\.json has lists instead of objects, such as \["a", "x"\]; write one obj'),
        (json.dumps([["a", "x"]] * 5), "has lists instead of objects"),
        (json.dumps([1, 2, 3]), "has lists instead of objects"),
        (json.dumps(ROWS)[:-20], "ends in the middle of a value, after 6 values; the file is cut short or damaged"),
        (json.dumps(ROWS)[:-1], "ends too early, after 7 values; the file is cut short"),
        ('[{"u": "a", "i": "x"},\n {"u": b}]', r"has '\{\"u\": b\}\]', which is not a JSON value .*after 1 values"),
        ('[{"u": "a", "i": "x"} {"u": "b"}]', r"has '\{\"u\": \"b\"\}\]' where ',' should be"),
        (json.dumps({"users": [{"u": 1}], "items": [{"i": 1}]}), "two lists of objects, 'users' and 'items'"),
        ("[" + '{"a":' * 5000 + "1" + "}" * 5000 + "]", "too many digits or levels"),
        (b"\xff\xfe" + json.dumps(ROWS).encode("utf-16-le")[:-1], "begins as text, but is not"),
    ],
)
def test_unreadable_json_is_explained(run, text, expected):
    (run.directory / "events.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=expected):
        run(interactions=source())


def test_the_columns_of_a_single_object_are_listed(run):
    run.write("events.json", json.dumps({"user": ["a", "b"], "item": ["x", "y"]}))
    [*problems] = check_headers(run.component(interactions=source()).params, FeatureSpec())
    assert {problem.value for problem in problems} == {"u", "i"}
    assert problems[0].allowed == ("user", "item")


def test_records_that_would_crash_the_parser_are_dead_letters(run):
    good = '{"u": "a", "i": "x", "n": 1}'
    deep = ['{"u": ' + "[" * 20_000 + "]" * 20_000 + "}", '{"u":' * 20_000 + "1" + "}" * 20_000, "[" * 20_000]
    wide = '{"u": "a", "i": "y", "tags": [' + ",".join(["[1]"] * 500) + "]}"
    quoted = json.dumps({"u": "b", "i": "[" * 500})
    odd = ['{"u": "a", "u": "b", "i": "x"}', '{"u": "c", "i": "z", "n": ' + "9" * 5000 + "}"]
    run.write("events.json", "\n".join([good, *deep, wide, quoted, *odd]))
    run(interactions=source(), max_bad_fraction=0.9)
    assert [(letter["row"], letter["reason"]) for letter in run.rows("dead_letters", "row")] == [
        *((row, "nested more than 100 levels deep") for row in (1, 2, 3)), (6, "has 'u' twice"), (7, "not JSON"),
    ]  # fmt: skip
    assert run.summary()["out"] == 3


def test_bytes_that_are_not_text_affect_only_their_record(run):
    content = json.dumps([{"u": "a", "i": "x"}, {"u": "b", "i": "?"}, {"u": "c", "i": "z"}]).encode()
    (run.directory / "events.json").write_bytes(content.replace(b"?", b"\xe9"))
    run(interactions=source(), max_bad_fraction=0.5)
    assert [(letter["row"], letter["reason"]) for letter in run.rows("dead_letters")] == [(1, "not utf-8 text")]


def test_nan_infinity_and_long_numbers_in_json(run):
    lines = ['{"u":"a","i":"x","n":NaN}', '{"u":"a","i":"y","n":-Infinity}', '{"u":"a","i":"z","n":' + "1" * 30 + "}"]
    run.write("events.json", "\n".join(lines))
    run(interactions=source())
    assert [row["n"] for row in run.rows("interactions", "candidate_id")][1:] == [float("-inf"), float("1" * 30)]


def test_only_a_block_is_in_memory():
    read = 0

    class Endless(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, target):
            nonlocal read
            part = b"[" if read == 0 else b'{"u": "a", "i": "x"},' * (len(target) // 21)
            target[: len(part)] = part
            read += len(part)
            return len(part)

    blocks = record_blocks(io.BufferedReader(Endless(), 4096), "f", ("u",), block=1 << 16)
    for _ in range(5):
        next(blocks)
    assert read < 3 << 20


def test_lists_whose_columns_differ_from_the_settings_are_refused_at_once(run):
    run.write("events.json", json.dumps(ROWS))
    config = run.directory / "c.yaml"
    wrong = {**source(), "columns": {"query_id": "user", "candidate_id": "i"}}
    config.write_text(json.dumps({"schema_version": 1, "name": "j", "data": {"interactions": wrong}}))
    result = cli("validate", config)
    assert (result.code, "there is no column 'user'" in result.err) == (2, True), result.err
    run.write("events.json", '["a", "x"]\n' * 3)
    result = cli("validate", config)
    assert (result.code, "has lists instead of objects" in result.err) == (2, True), result.err


@pytest.mark.skipif(not CASE.is_dir(), reason="needs ../shared/cases")
def test_a_list_on_one_line(run):
    assert cli("validate", CASE / "config.yaml").code == 0
    result = cli("run", CASE / "config.yaml", "--root", run.directory / "runs", "--only", "ExampleGen")
    assert result.code == 0, result.err


@pytest.mark.parametrize("form", ["list", "member", "pretty objects"])
def test_init_drafts_json_in_every_form(run, form):
    rows = [{"user": f"u{n % 9}", "item": f"i{n % 7}", "ts": 1_600_000_000 + n} for n in range(60)]
    text = {
        "list": json.dumps(rows), "member": json.dumps({"data": rows}),
        "pretty objects": "\n".join(json.dumps(row, indent=1) for row in rows),
    }[form]  # fmt: skip
    run.write("events.json", text, encoding="utf-16" if form == "list" else "utf-8")
    target = run.directory / "mine.yaml"
    result = cli("init", run.directory / "events.json", "-o", target)
    assert result.code == 0, result.err
    assert "format: jsonl" in target.read_text()
    assert cli("validate", target).code == 0
