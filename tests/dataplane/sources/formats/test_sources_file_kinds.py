"""Compressed files are recognised by content, and foreign formats are named and refused."""

import bz2
import gzip
import io
import lzma
import pickle
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable

import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet as pq
import pytest
import zstandard

from dataplane.errors import DataError
from dataplane.files import objects
from dataplane.sources.headers import check_headers
from models.spec.features import FeatureSpec
from tests.components.source_runs import PAIR, Run, csv

CSV = b"u,i\na,x\na,y\nb,x\n"
JSONL = b'{"u": "a", "i": "x"}\n{"u": "a", "i": "y"}\n{"u": "b", "i": "x"}\n'
TABLE = pa.table({"u": ["a", "b"], "i": ["x", "y"]})


def zipped(*members, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "zip": lambda content: zipped(("events", content)),
}


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def source(kind="csv", path="events"):
    return {**csv(path), "format": kind}


def refused(run, content, kind="csv", path="events"):
    """Message of the run, equal to that of `validate`."""
    (run.directory / path).write_bytes(content)
    data = source(kind, path)
    [problem] = check_headers(run.component(interactions=data).params, FeatureSpec())
    with pytest.raises(DataError) as error:
        run(interactions=data)
    message = str(error.value)
    assert problem.message.replace(f"{run.directory}/", "") == message
    return message


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("path", ["events.csv", "events.csv.gz"])
def test_compressed_files_are_read_whatever_their_name(run, packing, path):
    (run.directory / path).write_bytes(PACKERS[packing](CSV))
    run(interactions=source(path=path))
    assert run.summary()["out"] == 3


@pytest.mark.parametrize("packing", PACKERS)
def test_packed_json_lines_and_directories(run, packing):
    (run.directory / "events").mkdir()
    for suffix in (".gz", ".bz2", ".xz", ".zip", ""):
        (run.directory / f"events/part.jsonl{suffix}").write_bytes(PACKERS[packing](JSONL))
    run(interactions=source("jsonl"))
    assert run.summary()["out"] == 15


@pytest.mark.parametrize("name", ["events.csv.gz", "events.csv.bz2", "events.csv.zip"])
def test_plain_text_with_a_compressed_suffix(run, name):
    (run.directory / name).write_bytes(CSV)
    run(interactions=source(path=name))
    assert run.summary()["out"] == 3


@pytest.mark.parametrize("packing", ["gzip", "bzip2", "xz", "zstd"])
def test_concatenated_compressed_parts(run, packing):
    pack = PACKERS[packing]
    padding = b"\0" * 8 if packing in ("xz", "gzip") else b""
    (run.directory / "events").write_bytes(pack(CSV) + padding + pack(b"c,x\n") + pack(b"") + pack(b"d,x\n"))
    run(interactions=source())
    assert run.summary()["out"] == 5
    for damaged in (pack(CSV) + b"\x01" + pack(b"c,x\n")[1:], pack(CSV) + pack(b"c,x\n" * 9)[:-4]):
        assert "cut short or damaged" in _failure(run, damaged)


def _failure(run, content, kind="csv"):
    (run.directory / "events").write_bytes(content)
    with pytest.raises(DataError) as error:
        run(interactions=source(kind))
    return str(error.value)


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_truncated_compressed_files_are_refused(run, packing, kind):
    lines = [f"u{n},i{n * 7919 % 5003}" if kind == "csv" else f'{{"u": "{n}", "i": "{n * 7919}"}}' for n in range(5000)]
    whole = PACKERS[packing]("\n".join(["u,i", *lines] if kind == "csv" else lines).encode())
    flipped = whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 0xFF]) + whole[len(whole) // 2 + 1 :]
    for damaged in (whole[: len(whole) // 2], whole[:-3], flipped):
        message = _failure(run, damaged, kind)
        assert message.startswith("events cannot be read")
        assert "cut short or damaged" in message


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([("a.csv", CSV), ("b.csv", CSV)], "is a zip archive of 2 files (a.csv, b.csv): unpack it"),
        ([("d/", b""), ("d/a.csv", CSV)], "is a zip archive with directories (d/, d/a.csv): unpack it"),
        ([("d/a.csv", CSV)], "is a zip archive with directories (d/a.csv): unpack it"),
        ([], "is a zip archive of 0 files (nothing)"),
        ([(f"{n}.csv", CSV) for n in range(9)], "(0.csv, 1.csv, 2.csv, …)"),
        (
            [("[Content_Types].xml", b"<"), ("xl/workbook.xml", b"<")],
            "is an Excel workbook (.xlsx), not text",
        ),
        ([("[Content_Types].xml", b"<"), ("word/document.xml", b"<")], "is an Office document"),
        ([("mimetype", b"x"), ("content.xml", b"<")], "is an OpenDocument file"),
        ([("a.parquet", b"PAR1")], "is a Parquet file, packed with zip, not text"),
    ],
)
def test_zip_archives_without_a_table_are_refused(run, members, expected):
    assert expected in refused(run, zipped(*members), path="events.csv")


def test_a_zip_archive_made_by_a_desktop(run):
    (run.directory / "events").write_bytes(
        zipped(("a.csv", CSV), ("__MACOSX/._a.csv", b"\0\0"), method=zipfile.ZIP_LZMA)
    )
    run(interactions=source())
    assert run.summary()["out"] == 3


def _sqlite(directory):
    with sqlite3.connect(directory / "made") as database:
        database.execute("create table t (u, i)")
    return (directory / "made").read_bytes()


def _arrow(write):
    sink = pa.BufferOutputStream()
    write(TABLE, sink)
    return sink.getvalue().to_pybytes()


def _tar():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        information = tarfile.TarInfo("events.csv")
        information.size = len(CSV)
        archive.addfile(information, io.BytesIO(CSV))
    return buffer.getvalue()


FOREIGN = {
    "a Parquet file": lambda _: _arrow(pq.write_table),
    "an ORC file": lambda _: _arrow(lambda table, sink: pa.orc.write_table(table, sink)),
    "an Arrow (Feather) file": lambda _: _arrow(lambda table, sink: pa.feather.write_feather(table, sink)),
    "an Avro file": lambda _: b"Obj\x01\x04\x14avro.codec\x08null",
    "a SQLite database": _sqlite,
    "a PDF document": lambda _: b"%PDF-1.7\n%\xe2\xe3",
    "an HTML page": lambda _: b"\n<!DOCTYPE html>\n<html><body>404</body></html>",
    "an XML document": lambda _: b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "an old Excel workbook": lambda _: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100,
    "a Python pickle": lambda _: pickle.dumps({"u": 1}),
    "a tar archive": lambda _: _tar(),
    "compressed with LZ4": lambda _: pa.compress(CSV, "lz4", asbytes=True),
    "compressed with Snappy": lambda _: b"\xff\x06\x00\x00sNaPpY\x01\x0d\x00\x00",
    "a 7-Zip archive": lambda _: b"7z\xbc\xaf\x27\x1c\0\4",
    "a pointer of Git LFS": lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:4\n",
    "a dump of PostgreSQL": lambda _: b"--\n-- PostgreSQL database dump\n--\n",
}


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_foreign_formats_are_named(run, what, kind):
    message = refused(run, FOREIGN[what](run.directory), kind, f"events.{kind}")
    assert message.startswith(f"events.{kind} is {what}")
    assert ": " in message


def test_other_files_are_named_when_compressed(run):
    assert "is a tar archive, packed with gzip, not text: unpack it" in refused(run, gzip.compress(_tar()))
    assert "is bzip2 data, packed with gzip, not text: unpack it" in refused(run, gzip.compress(bz2.compress(CSV)))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (JSONL, "is JSON, not delimited text: set 'format: jsonl'"),
        (b'[\n  {"u": 1, "i": 2}]', "is JSON, not delimited text"),
        (b"\xff\xfe" + "u,i\na,x\n".encode("utf-16-le"), "set 'encoding: utf-16'"),
        ("u,i\na,x\n".encode("utf-16-le"), "it has zero bytes; it may be binary, or UTF-16"),
        (b"\x00\x00\x12\x00snap", "it may be binary"),
        (b"", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
    ],
)
def test_files_that_are_not_delimited_text(run, content, expected):
    assert expected in refused(run, content)


def test_compressions_without_a_signature_are_guessed_from_the_name(run):
    message = refused(run, b"\x00\x00\x12\x00snap", path="events.csv.snappy")
    assert "it may be compressed with Snappy by its name: unpack it" in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (CSV, "is text, not Parquet: set 'format: csv'"),
        (JSONL, "is text, not Parquet: set 'format: jsonl'"),
        (gzip.compress(_arrow(pq.write_table), mtime=0), "is packed with gzip, not Parquet: unpack it"),
        (_arrow(lambda table, sink: pa.orc.write_table(table, sink)), "is an ORC file, not Parquet"),
        (b"PARE" + b"\0" * 40, "is an encrypted Parquet file"),
        (b"\x00\x01", "cannot be read as Parquet"),
    ],
)
def test_files_that_are_not_parquet(run, content, expected):
    assert expected in refused(run, content, "parquet", "events.parquet")


@pytest.mark.parametrize("name", ["ORCID,i", "BZh9,i", "PK,i", "Obj,i", "%PDF,i", "<u>,i"])
def test_column_names_that_look_like_signatures(run, name):
    (run.directory / "events.csv").write_bytes(f"{name}\na,x\n".encode())
    run(interactions=csv(columns={"query_id": name.split(",")[0], "candidate_id": "i"}))
    assert run.summary()["out"] == 1


@pytest.mark.parametrize("store", ["s3", "gs"])
def test_stores(store, request, run):
    """First bytes are read from a store as from a disk."""
    bucket = request.getfixturevalue(f"{store}_bucket")
    for packing, pack in PACKERS.items():
        objects.write_bytes(f"{bucket}/{packing}/events.csv", pack(CSV))
        run(interactions=csv(f"{bucket}/{packing}/events.csv"))
        assert run.summary()["out"] == 3
    objects.write_bytes(f"{bucket}/page.csv", b"<html>")
    with pytest.raises(DataError, match=r"page\.csv is an HTML page"):
        run(interactions=csv(f"{bucket}/page.csv"))
    objects.write_bytes(f"{bucket}/text.parquet", CSV)
    with pytest.raises(DataError, match=r"text\.parquet is text, not Parquet"):
        run(interactions={"format": "parquet", "path": f"{bucket}/text.parquet", "columns": PAIR})
