"""Tables with very many columns: the work grows linearly with their number."""

import json

import pyarrow as pa
import pytest

from components.example_gen import ExampleGenParams
from dataplane.errors import DataError
from dataplane.errors.messages import listed
from dataplane.sources.config import CsvEntities
from dataplane.sources.formats.csv_header import csv_header
from dataplane.sources.formats.json_records import record_blocks
from dataplane.sources.formats.sniff import sniff
from dataplane.sources.headers import Columns, check_headers
from dataplane.sources.ingestion.notations import in_common_notation
from models.spec.features import FeatureSpec
from pipeline.cli import main
from tests.components.source_runs import Run

WIDE = 100_000
PAIR = {"query_id": "user", "candidate_id": "item"}


class Compared(str):
    """A name that counts how often it is compared."""

    times = 0
    __hash__ = str.__hash__

    def __eq__(self, other):
        Compared.times += 1
        return str.__eq__(self, other)


@pytest.fixture
def compared():
    Compared.times = 0
    return Compared


def names(count):
    return [f"column {i}" for i in range(count)]


def write_csv(file, columns, *rows):
    file.write_text("\n".join([",".join(columns), *(",".join(row) for row in rows)]) + "\n")


def test_names_are_looked_up_not_searched_for(compared):
    present = Columns(map(compared, names(WIDE)))
    missing = [compared(f"no {i}") for i in range(1000)]
    assert sum(name in present.known for name in map(compared, names(1000))) == 1000
    assert not any(name in present.known for name in missing)
    assert compared.times < 10 * (WIDE + 2000), "a search through the names would be a hundred million comparisons"


def test_duplicate_names_are_counted_not_searched_for(tmp_path, monkeypatch, compared):
    """100,000 names need only a few comparisons each."""
    columns = [f"c{i // 2}" for i in range(WIDE)]
    write_csv(tmp_path / "wide.csv", columns, ["1"] * WIDE)
    monkeypatch.setattr(
        "dataplane.sources.formats.csv_header._parsed", lambda *_: (list(map(Stripped, columns)), 1, [])
    )
    source = CsvEntities(format="csv", path="wide.csv", id="c0")
    with pytest.raises(DataError, match=r"has c0, c1, .* and 49,960 more twice"):
        csv_header(source, str(tmp_path / "wide.csv"))
    assert compared.times < 10 * WIDE


class Stripped(Compared):
    def strip(self, *_):
        return self


def test_a_hundred_thousand_columns_are_validated(tmp_path, capsys):
    header = ["user", "item", *names(WIDE)]
    write_csv(tmp_path / "wide.csv", header, ["u", "i", *["1"] * WIDE])
    record = json.dumps(dict.fromkeys(header, 1))
    (tmp_path / "wide.jsonl").write_text(f"{record}\n{record}\n")
    for kind in ("csv", "jsonl"):
        (tmp_path / "c.yaml").write_text(
            f"schema_version: 1\nname: wide\ndata:\n  interactions: {{format: {kind}, path: wide.{kind}, "
            "columns: {query_id: user, candidate_id: item}}\n"
        )
        assert main(["validate", str(tmp_path / "c.yaml")]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("end", ["", "\n"])
def test_one_long_line_is_a_record_or_holds_them(tmp_path, end):
    first = json.dumps({"user": "u", "item": "i", **dict.fromkeys(names(WIDE), 1)})
    last = json.dumps({**dict.fromkeys(names(WIDE), 1), "user": "u", "item": "i"})
    nested = json.dumps({"item": "i", "user": "u", "tags": [{"a": 1}], **dict.fromkeys(names(WIDE), 1)})
    holder = json.dumps(
        {"next": None, "n": {"user": 1}, "data": [{"user": f"u{i}", "item": "i"} for i in range(60_000)]}
    )
    for text, records in ((first, 1), (last, 1), (nested, 1), (holder, 60_000)):
        assert len(text) > 1 << 20
        (tmp_path / "one.jsonl").write_text(text + end)
        with (tmp_path / "one.jsonl").open("rb") as stream:
            blocks = list(record_blocks(stream, "one.jsonl", ["user", "item"]))
        assert sum(map(len, blocks)) == records


def test_many_missing_columns_share_what_is_allowed(tmp_path):
    write_csv(tmp_path / "wide.csv", ["user", "item", *names(WIDE)], ["u", "i", *["1"] * WIDE])
    source = {"format": "csv", "path": "wide.csv", "columns": PAIR, "keep": [f"no {i}" for i in range(3000)]}
    problems = check_headers(ExampleGenParams(base_dir=tmp_path, interactions=source), FeatureSpec())
    assert len(problems) == 3000
    assert len({id(problem.allowed) for problem in problems}) == 1
    assert len(listed(problems[0].allowed)) < 1000


def test_a_header_longer_than_a_sample_is_seen_by_init(tmp_path):
    write_csv(tmp_path / "wide.csv", ["user", "item", *names(WIDE)], ["u", "i", *["1"] * WIDE])
    dialect = sniff(str(tmp_path / "wide.csv"))
    assert (dialect.delimiter, dialect.columns, dialect.header) == (",", WIDE + 2, True)
    (tmp_path / "one.csv").write_text("user,item," + ",".join(names(30_000)))
    assert sniff(str(tmp_path / "one.csv")).columns == 30_002


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_wide_table_is_read(tmp_path, kind):
    row = dict(zip(["user", "item", *names(1000)], ["u", "i", *["-", "1"] * 500], strict=True))
    if kind == "csv":
        write_csv(tmp_path / "wide.csv", row, row.values())
    else:
        (tmp_path / "wide.jsonl").write_text(json.dumps(row) + "\n")
    run = Run(tmp_path)
    run(interactions={"format": kind, "path": f"wide.{kind}", "columns": PAIR, "null_values": ["-"]})
    [read] = run.rows("interactions")
    assert len(read) == 1002
    assert read["column 998"] is None
    assert str(read["column 999"]) == "1"


def test_columns_that_are_rewritten_keep_their_places():
    batch = pa.RecordBatch.from_pydict({"a": ["1,5", "x"], "b": [1, 2], "c": ["1,000", "-"]})
    rewritten = in_common_notation(batch, decimal_commas=["a"], thousands_commas=["c"], null_values=["-"])
    assert rewritten.to_pydict() == {"a": ["1.5", "x"], "b": [1, 2], "c": ["1000", None]}
    assert in_common_notation(batch.select([])).num_rows == 2
