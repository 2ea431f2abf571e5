"""Every kind of broken input ends in a message that says which file, which row and what to do, or in dead letters."""

import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from dataplane.errors import DataError, RunError
from dataplane.sources.formats import csv_files
from dataplane.sources.headers import check_headers
from models.spec.features import FeatureSpec
from tests.components.source_runs import PAIR, Run, csv
from tests.contexts import in_process
from tests.e2e.conftest import cli

LINES = "u,i\n" + "".join(f"u{n % 50},i{n}\n" for n in range(5000))


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def parquet(path="events.parquet", **settings):
    return {"format": "parquet", "path": path, "columns": PAIR, **settings}


def refused(run, expected, **data):
    """Message of the refusal, which must leave nothing that a later step could use as data."""
    with pytest.raises(DataError, match=expected) as error:
        run(**data)
    assert not (run.examples.path / "summary.json").exists()
    assert not list(run.examples.path.rglob("*.parquet.*")), "no half-written shard"
    return str(error.value)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
@pytest.mark.parametrize("cut", ["half", "trailer"])
def test_compressed_text_that_was_cut_short(run, pack, cut):
    suffix = "gz" if pack is gzip.compress else "zst"
    whole = pack(LINES.encode())
    (run.directory / f"events.csv.{suffix}").write_bytes(whole[: len(whole) // 2] if cut == "half" else whole[:-3])
    refused(
        run, rf"events\.csv\.{suffix} .*cut short or damaged.* replace it", interactions=csv(f"events.csv.{suffix}")
    )


def test_damaged_gzip(run):
    packed = bytearray(gzip.compress(LINES.encode()))
    packed[1000:1050] = b"\xff" * 50
    (run.directory / "events.csv.gz").write_bytes(packed)
    refused(run, r"events\.csv\.gz .*damaged", interactions=csv("events.csv.gz"))
    (run.directory / "events.jsonl.gz").write_bytes(packed)
    refused(run, r"events\.jsonl\.gz", interactions={"format": "jsonl", "path": "events.jsonl.gz", "columns": PAIR})


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_compressed_text_of_several_parts_is_read_whole(run, suffix):
    pack = gzip.compress if suffix == "gz" else zstandard.compress
    for name, lines in (
        ("e.csv", [b"u,i\na,x\n", b"a,y\n"]),
        ("e.jsonl", [b'{"u": 1, "i": 2}\n', b'{"u": 1, "i": 3}\n']),
    ):
        (run.directory / f"{name}.{suffix}").write_bytes(b"".join(map(pack, lines)))
        run(interactions={"format": name[2:], "path": f"{name}.{suffix}", "columns": PAIR})
        assert run.summary()["out"] == 2


def test_parquet_without_its_end_or_with_a_damaged_page(run):
    rows = {"u": [f"u{n}" for n in range(20_000)], "i": [f"i{n * 7919 % 20_000}" for n in range(20_000)]}
    run.parquet("events.parquet", rows, row_group_size=5000)
    file = run.directory / "events.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    refused(run, r"events\.parquet cannot be read as Parquet.*replace it", interactions=parquet())
    start = pq.ParquetFile(pa.BufferReader(whole)).metadata.row_group(2).column(0).dictionary_page_offset
    file.write_bytes(whole[:start] + b"\xff" * 3000 + whole[start + 3000 :])
    refused(run, r"events\.parquet is damaged in rows 10000 to 14999", interactions=parquet())
    file.write_bytes(b"")
    refused(run, r"events\.parquet is empty", interactions=parquet())


def test_rows_in_another_encoding_are_dead_letters(run):
    lines = [b"a,x", "b,é".encode("latin-1"), "c,ñ".encode(), "d,\xfc".encode("latin-1"), *[b"a,x"] * 20]
    (run.directory / "events.csv").write_bytes(b"u,i\n" + b"\n".join(lines) + b"\n")
    run(interactions=csv(), max_bad_fraction=0.1)
    dead = run.rows("dead_letters", "row")
    assert [(letter["file"], letter["row"], letter["reason"]) for letter in dead] == [
        ("events.csv", 1, "not utf-8 text"),
        ("events.csv", 3, "not utf-8 text"),
    ]
    assert "'b'" in dead[0]["record"]
    assert run.summary()["out"] == 22
    message = refused_again(run, csv())
    assert "2 x not utf-8 text (set 'encoding' for delimited text" in message
    assert "'bytes_as: hex' for bytes in Parquet files" in message
    assert "events.csv, row 1" in message


def refused_again(run, source):
    (run.examples.path / "summary.json").unlink()
    return refused(run, "unusable", interactions=source, max_bad_fraction=0.01)


def test_the_header_in_another_encoding_is_refused(run):
    run.write("events.csv", "u,i,größe\na,x,1\n", encoding="latin-1")
    refused(run, r"events\.csv is not utf-8 text.*set 'encoding'", interactions=csv())


def test_records_in_another_encoding_are_dead_letters(run):
    lines = [b'{"u": "a", "i": "x"}', b'{"u": "b", "i": "\xe9"}', rb'{"u": "c", "i": "\ud800"}', b"[" * 100_000]
    (run.directory / "e.jsonl").write_bytes(b"\n".join(lines))
    run(interactions={"format": "jsonl", "path": "e.jsonl", "columns": PAIR}, max_bad_fraction=0.8)
    assert [(letter["row"], letter["reason"]) for letter in run.rows("dead_letters", "row")] == [
        (1, "not utf-8 text"), (2, "not utf-8 text"), (3, "nested more than 100 levels deep"),
    ]  # fmt: skip


def test_parquet_texts_in_another_encoding_are_dead_letters(run):
    ids = pa.array([b"a", "é".encode("latin-1"), b"c"]).view(pa.binary())
    run.parquet("events.parquet", {"u": ids, "i": ["x", "y", "z"], "tags": [["p"], ["q"], None]})
    run(interactions=parquet(), max_bad_fraction=0.5)
    assert [(letter["row"], letter["reason"]) for letter in run.rows("dead_letters")] == [(1, "not utf-8 text")]
    assert [row["query_id"] for row in run.rows("interactions")] == ["a", "c"]


def test_refused_rows_are_kept_as_dead_letters(run):
    run.write("events.csv", "u,i\n" + "a,x\n" * 8 + ",x\n,y\n")
    message = refused(run, "has all of them", interactions=csv(), max_bad_fraction=0.1)
    directory = message.partition(" has all of them")[0].rpartition("\n")[2]
    [letters] = Path(directory).glob("*.parquet")
    assert pq.read_table(letters)["row"].to_pylist() == [8, 9]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_id_column_that_a_file_lacks(run, kind):
    for name, columns in (("a", ["u", "i"]), ("b", ["user", "i"])):
        if kind == "csv":
            run.write(f"{name}.csv", ",".join(columns) + "\n1,2\n")
        else:
            run.parquet(f"{name}.parquet", {column: ["1"] for column in columns})
    source = {"format": kind, "path": f"*.{kind}", "columns": PAIR}
    refused(run, rf"b\.{kind} has no column 'u'; it has user, i", interactions=source)


def test_types_that_differ_between_files(run):
    run.parquet("a.parquet", {"u": ["007"], "i": [1], "n": [1], "t": ["x"], "v": [[1, 2]]})
    run.parquet("b.parquet", {"u": [7], "i": [2], "n": [1.5], "v": [[0.5]]})
    run(interactions=parquet("*.parquet"))
    assert [row["query_id"] for row in run.rows("interactions", "candidate_id")] == ["007", "7"]
    assert run.types() == {
        "query_id": "string", "candidate_id": "string", "n": "float64", "t": "string", "v": "list<float64>",
    }  # fmt: skip
    (run.examples.path / "summary.json").unlink()
    run.parquet("b.parquet", {"u": [7], "i": [2], "n": ["many"]})
    refused(run, r"'n' is int64 in a\.parquet and string in b\.parquet", interactions=parquet("*.parquet"))
    run.parquet("b.parquet", {"u": [7.0], "i": [2]})
    refused(run, r"'u' is string in a\.parquet and float64 in b\.parquet", interactions=parquet("*.parquet"))


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize("change", ["rewritten", "removed", "added"])
def test_a_directory_that_changes_after_it_was_listed(run, kind, change):
    def write(name, count=3):
        rows = [{"u": f"u{n}", "i": "x"} for n in range(count)]
        if kind == "parquet":
            run.parquet(f"events/{name}.parquet", {"u": [row["u"] for row in rows], "i": ["x"] * count})
        elif kind == "csv":
            run.write(f"events/{name}.csv", "u,i\n" + "".join(f"{row['u']},x\n" for row in rows))
        else:
            run.write(f"events/{name}.jsonl", "".join(f'{{"u": "{row["u"]}", "i": "x"}}\n' for row in rows))

    def meddle():
        if change == "added":
            write("c")
        elif change == "removed":
            (run.directory / f"events/b.{kind}").unlink()
        else:
            write("b", 4)

    (run.directory / "events").mkdir()
    write("a")
    write("b")
    component = run.component(interactions={"format": kind, "path": "events", "columns": PAIR})
    prepared = component.prepare()
    meddle()
    arguments = component.Inputs(), component.Outputs(run.examples), in_process(scratch=run.directory / "scratch")
    file, what = {"added": ("c", "was added"), "removed": ("b", "was removed"), "rewritten": ("b", "changed")}[change]
    with pytest.raises(
        DataError, match=rf"events/{file}\.{kind} {what} after the files of interactions were listed; run again"
    ):
        prepared.execute(*arguments)
    assert not run.examples.path.exists()
    component.prepare().execute(*arguments)
    assert run.summary()["out"] == {"added": 9, "removed": 3, "rewritten": 7}[change]


def test_a_file_that_changes_between_the_first_look_and_the_reading(run, monkeypatch):
    """The first pass over a text file guesses types and the second reads; both must read the same content."""
    run.write("events.csv", LINES)
    read = csv_files.CsvReader.read
    passes = []

    def read_and_append(self, piece, types, columns):
        yield from read(self, piece, types, columns)
        passes.append(types is None)
        if types is None:
            with (run.directory / "events.csv").open("a") as file:
                file.write("late,x\n")

    monkeypatch.setattr(csv_files.CsvReader, "read", read_and_append)
    refused(run, r"events\.csv changed while it was being read", interactions=csv())
    assert passes == [True]


def test_empty_sources_are_refused(run):
    (run.directory / "events").mkdir()
    refused(run, "directory .*events has no csv file", interactions=csv("events"))
    run.write("events/empty.csv", "")
    refused(run, r"events/empty\.csv is empty", interactions=csv("events"))
    run.parquet("none.parquet", {"u": pa.array([], pa.string()), "i": pa.array([], pa.string())})
    refused(run, "interactions has no rows", interactions=parquet("none.parquet"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read root's files")
@pytest.mark.parametrize("name", ["file", "directory"])
def test_unreadable_files_are_named(run, name):
    run.directory.chmod(0o755)
    for parent in run.directory.parents[:3]:
        parent.chmod(0o755)
    (run.directory / "events").mkdir()
    run.write("events/events.csv", LINES)
    (run.directory / "events" / ("events.csv" if name == "file" else "")).chmod(0)
    params = run.component(interactions=csv("events")).params
    os.seteuid(65534)
    try:
        if name == "file":
            [problem] = check_headers(params, FeatureSpec())
            message = problem.message
        else:
            with pytest.raises(RunError) as error:
                check_headers(params, FeatureSpec())
            message = str(error.value)
    finally:
        os.seteuid(0)
    assert "Permission denied" in message
    assert "events" in message


def test_rows_that_vanish_are_an_internal_error(run, monkeypatch):
    run.write("events.csv", LINES)
    written = csv_files.CsvReader.read

    def read_less(self, piece, types, columns):
        for rows in written(self, piece, types, columns):
            yield rows
            for shard in (run.examples.path / "interactions").glob(".part*"):
                shard.unlink()

    monkeypatch.setattr(csv_files.CsvReader, "read", read_less)
    with pytest.raises(AssertionError, match="5000 rows counted, 0 written"):
        run(interactions=csv())


def test_the_command_line_exits_with_3_and_a_hint(run):
    """The configuration is valid, so the run finds the faults of the data."""
    (run.directory / "cut.csv.gz").write_bytes(gzip.compress(LINES.encode())[:-50])
    (run.directory / "latin.csv").write_bytes(LINES.encode() + "é,x\n".encode("latin-1") * 100)
    for name, columns in (("a", ["u", "i"]), ("b", ["u", "item"])):
        run.write(f"{name}.csv", ",".join(columns) + "\n1,2\n")
    config = run.directory / "c.yaml"
    for path, expected in (
        ("cut.csv.gz", "cut.csv.gz cannot be read"),
        ("latin.csv", "100 x not utf-8 text (set 'encoding'"),
        ("[ab].csv", "b.csv has no column 'i'"),
    ):
        config.write_text(json.dumps({"schema_version": 1, "name": "bad", "data": {"interactions": csv(path)}}))
        assert cli("validate", config).code == 0
        result = cli("run", config, "--root", run.directory / "runs", "--only", "ExampleGen")
        assert (result.code, expected in result.err) == (3, True), result.err
        assert not list((run.directory / "runs").rglob("manifest.json"))
