"""ExampleGen over a window of spans: new spans are read, and the result is that of a run that reads all of them."""

import json
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.example_gen import ExampleGen, ExampleGenParams
from dataplane.artifacts import Examples
from dataplane.beam_runner import MultiProcess
from dataplane.errors import DataError
from dataplane.files.digests import digests_below
from dataplane.parts import Parts
from tests.components.source_runs import PAIR
from tests.contexts import in_process

COLUMNS = {**PAIR, "timestamp": "t"}
DAYS = [date(2026, 11, 1) + timedelta(days=day) for day in range(5)]


class Nights:
    """Runs over windows, with the parts of earlier ones unless a run is cold."""

    def __init__(self, directory, file_format):
        self.directory = directory
        self.format = file_format
        self.count = 0
        self.told = []
        for day in DAYS:
            self.write(day)

    def file(self, day):
        return self.directory / f"events/dt={day}/e.{self.format}"

    def write(self, day, *, rows=6, **columns):
        """Events of a day; several users and items of one day come again on others."""
        numbers = range(rows)
        table = {
            "u": [f"u{(day.day + n) % 4}" for n in numbers],
            "i": [f"i{n % 3}" for n in numbers],
            "t": [f"{day}T{12 - n:02d}:00:00" for n in numbers],
            "city": [f"city {day.day} {n}" for n in numbers],
            **columns,
        }
        self.file(day).parent.mkdir(parents=True, exist_ok=True)
        self.write_text(day, table)

    def write_text(self, day, table):
        if self.format == "parquet":
            pq.write_table(pa.table(table), self.file(day), row_group_size=4)
            return
        lines = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        if self.format == "csv":
            text = ",".join(table) + "\n" + "".join(",".join(map(str, line.values())) + "\n" for line in lines)
        self.file(day).write_text(text)

    def run(self, last_day, *, last=3, cold=False, path=None, beam=None, tables=(), limit=0.01, **spans):
        """Runs on a window; returns its facts and the digests of its files."""
        self.count += 1
        source = {"format": self.format, "path": path or f"events/dt={{SPAN}}/*.{self.format}", "columns": COLUMNS}
        given = None if path else {"last": last, "span": str(last_day), **spans}
        params = ExampleGenParams.model_validate(
            {
                "base_dir": self.directory,
                "interactions": source,
                **dict(tables),
                "spans": given,
                "max_bad_fraction": limit,
            }
        )
        self.examples = Examples(self.directory / f"out-{self.count}")
        parts = Parts(
            self.directory / ("cold" if cold else "parts") / (str(self.count) if cold else ""), "code", self.told.append
        )
        settings = {} if beam is None else {"beam": beam}
        context = in_process(scratch=self.directory / "scratch", parts=parts, **settings)
        facts = ExampleGen(params).execute(ExampleGen.Inputs(), ExampleGen.Outputs(self.examples), context)
        return facts, digests_below(self.examples.path)

    def read(self, *arguments, **options):
        return self.run(*arguments, **options)[0]["spans"]["read"]


DERIVED = {"queries": {"format": "interactions", "columns": ["city"]}}


@pytest.fixture
def nights(tmp_path):
    return Nights(tmp_path, "csv")


@pytest.mark.parametrize("file_format", ["csv", "parquet", "jsonl"])
def test_a_rolling_window_reads_new_spans_and_equals_a_cold_run(tmp_path, file_format):
    nights = Nights(tmp_path, file_format)
    assert nights.read(DAYS[2], tables=DERIVED) == [str(day) for day in DAYS[:3]]
    facts, files = nights.run(DAYS[3], tables=DERIVED)
    assert facts["spans"]["read"] == [str(DAYS[3])]
    assert files == nights.run(DAYS[3], tables=DERIVED, cold=True)[1]
    listed = nights.run(None, path=[f"events/dt={day}/*.{file_format}" for day in DAYS[1:4]], tables=DERIVED)[1]
    assert {name: digest for name, digest in files.items() if name != "spans.json"} == listed


def test_the_first_row_of_a_query_leaves_with_its_span(nights):
    def city():
        rows = pa.concat_tables(map(pq.read_table, sorted((nights.examples.path / "queries").glob("*.parquet"))))
        return dict(zip(rows["query_id"].to_pylist(), rows["city"].to_pylist(), strict=True))["u0"]

    nights.run(DAYS[2], tables=DERIVED)
    first = city()
    nights.run(DAYS[4], tables=DERIVED)
    assert (first[:6], city()[:6]) == ("city 1", "city 3")


def test_tables_from_files_are_read_with_the_window(nights):
    (nights.directory / "users.csv").write_text("u,age\nu0,30\nu0,31\nu9,40\n")
    tables = {"queries": {"format": "csv", "path": "users.csv", "id": "u"}}
    nights.run(DAYS[2], tables=tables, limit=0.5)
    facts, files = nights.run(DAYS[3], tables=tables, limit=0.5)
    assert (facts["queries"], facts["queries_dead"]) == (2, 1)
    assert files == nights.run(DAYS[3], tables=tables, limit=0.5, cold=True)[1]


def test_shards_are_the_files_of_the_parts(nights):
    nights.run(DAYS[2])
    before = (nights.examples.path / "interactions/part-00001.parquet").stat().st_ino
    nights.run(DAYS[3])
    assert (nights.examples.path / "interactions/part-00000.parquet").stat().st_ino == before


def test_a_changed_span_is_read_anew_and_said(nights):
    nights.run(DAYS[2])
    nights.write(DAYS[1], rows=7)
    facts, files = nights.run(DAYS[2])
    assert (facts["spans"]["read"], facts["spans"]["changed"]) == ([str(DAYS[1])], [str(DAYS[1])])
    assert "files of span 2026-11-02 have changed and were read anew" in facts["notes"]
    assert files == nights.run(DAYS[2], cold=True)[1]
    assert nights.run(DAYS[2])[0]["spans"]["changed"] == []


def test_a_new_column_changes_the_rows_of_all_spans(nights):
    nights.run(DAYS[2])
    nights.write(DAYS[3], device=["tv"] * 6)
    facts, files = nights.run(DAYS[3])
    assert facts["spans"]["read"] == [str(day) for day in DAYS[1:4]]
    assert facts["spans"]["changed"] == []
    assert files == nights.run(DAYS[3], cold=True)[1]


def test_a_type_that_one_span_decides_counts_for_all(nights):
    nights.write(DAYS[0], code=list(range(6)))
    nights.write(DAYS[1], code=list(range(6)))
    nights.write(DAYS[2], code=["x"] * 6)
    nights.run(DAYS[1], last=2)
    facts, files = nights.run(DAYS[2])
    assert len(facts["spans"]["read"]) == 3
    assert files == nights.run(DAYS[2], cold=True)[1]
    assert nights.examples.read_json("summary.json")["columns"]["interactions"]["code"] == "string"


def test_a_missing_span_is_left_out_and_read_when_it_comes(nights):
    nights.file(DAYS[1]).rename(nights.directory / "late")
    with pytest.raises(DataError, match="span 2026-11-02 of the window up to 2026-11-03 is missing"):
        nights.run(DAYS[2])
    facts, _ = nights.run(DAYS[2], missing="skip")
    assert facts["spans"]["missing"] == ["2026-11-02"]
    assert nights.examples.read_json("spans.json")["missing"] == ["2026-11-02"]
    (nights.directory / "late").rename(nights.file(DAYS[1]))
    facts, _ = nights.run(DAYS[2], missing="skip")
    assert (facts["spans"]["read"], facts["spans"]["missing"]) == (["2026-11-02"], [])


@pytest.mark.parametrize(("file_format", "content"), [("csv", "no bytes"), ("csv", "no rows"), ("parquet", "no rows")])
def test_an_empty_span_fails_or_is_left_out(tmp_path, file_format, content):
    nights = Nights(tmp_path, file_format)
    if content == "no bytes":
        nights.file(DAYS[1]).write_bytes(b"")
    else:
        nights.write(DAYS[1], rows=0)
    with pytest.raises(DataError, match=r"span 2026-11-02 has no rows; bring them, or set data\.spans\.empty to skip"):
        nights.run(DAYS[2])
    facts, files = nights.run(DAYS[2], empty="skip")
    assert (facts["interactions"], facts["spans"]["empty"]) == (12, ["2026-11-02"])
    assert "span 2026-11-02 has no rows and is left out" in facts["notes"]
    assert "interactions/part-00000.parquet" in files


def test_a_window_without_rows_is_refused(nights):
    for day in DAYS[:3]:
        nights.file(day).write_text("")
    with pytest.raises(DataError, match="interactions has no rows in any span of the window"):
        nights.run(DAYS[2], empty="skip")


def test_each_span_has_the_limit_of_unusable_rows(nights):
    nights.write(DAYS[1], u=["", "", "u1", "u2", "u3", "u4"])
    with pytest.raises(DataError, match=r"(?s)2 of 6 rows of span 2026-11-02 of interactions are unusable.*out-1"):
        nights.run(DAYS[2], limit=0.2)
    facts, _ = nights.run(DAYS[2], limit=0.4)
    assert facts["interactions_dead"] == 2
    assert (nights.examples.path / "dead_letters/interactions-00001.parquet").exists()
    assert facts["spans"]["read"] == [], "the limit is no part of the key"


def test_a_damaged_part_is_read_again(nights):
    _, files = nights.run(DAYS[2])
    shard = next((nights.directory / "parts").glob("*/interactions/*.parquet"))
    shard.unlink()
    shard.write_bytes(b"damaged")
    facts, again = nights.run(DAYS[2])
    assert len(facts["spans"]["read"]) == 1
    assert again == files
    assert "is damaged: interactions/part-00000.parquet" in nights.told[0]


@pytest.mark.slow
def test_another_runner_writes_the_same_bytes(nights):
    workers = MultiProcess(runner="multi_process", workers=2)
    nights.run(DAYS[2], beam=workers)
    assert nights.run(DAYS[3], beam=workers)[1] == nights.run(DAYS[3], cold=True)[1]
