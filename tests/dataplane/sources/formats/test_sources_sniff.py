"""Dialects are guessed from the beginning of a file, and the guess reads the file."""

import csv
import gzip
import io

import pytest

from dataplane.errors import DataError
from dataplane.sources.config import CsvInteractions
from dataplane.sources.files import source_files
from dataplane.sources.formats.csv_files import CsvReader
from dataplane.sources.formats.sniff import sniff
from tests.components.source_runs import csv as csv_source

ROWS = [(f"u{n % 7}", f"i{n % 11}", str(1606468650 + n), f"Title {n}", n) for n in range(40)]


def find(directory, text, *, pack=None, encoding="utf-8"):
    content = text.encode(encoding)
    (directory / "events.csv").write_bytes(pack(content) if pack else content)
    return sniff(str(directory / "events.csv"))


def plain(delimiter=",", text="{title}", header=True):
    head = delimiter.join(["user", "item", "ts", "title"]) + "\n" if header else ""
    return head + "".join(delimiter.join([u, i, t, text.format(title=title, n=n)]) + "\n" for u, i, t, title, n in ROWS)


@pytest.mark.parametrize(
    "delimiter", [",", "\t", ";", "|", "::", "|||", "||", "\t|\t", "|~|", "~|~", "^|^", " | ", ", ", "\x01", "¦", "~"]
)
@pytest.mark.parametrize("header", [True, False])
def test_delimiters(tmp_path, delimiter, header):
    dialect = find(tmp_path, plain(delimiter, header=header))
    assert (dialect.delimiter, dialect.header, dialect.columns) == (delimiter, header, 4)
    assert dialect.settings() == ({} if delimiter == "," else {"delimiter": delimiter})


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ('"The ""Real"" Thing, {n}"', {}),
        ("{title}", {}),
        (r'"The \"Real\" Thing, {n}"', {"escape": "\\"}),
        (r'"The \"Real\" Thing {n}"', {"escape": "\\"}),
        (r'"{n}\""', {"escape": "\\"}),
        (r'"{n}\", and more"', {"escape": "\\"}),
        (r'"C:\data\"', {}),
        ('"Great" Performances {n}', {"quote": None}),
        ('"Weird Al {n}', {"quote": None}),
        ('7" single {n}', {}),
        ("'The Thing, {n}'", {"quote": "'"}),
        (r"'The Thing\'s {n}, too'", {"quote": "'", "escape": "\\"}),
        ("'s Heren{n}", {}),
        ('"two\nlines {n}"', {}),
        (r"C:\data", {}),
    ],
)
@pytest.mark.parametrize("header", [True, False])
def test_quotes_and_escapes(tmp_path, text, settings, header):
    dialect = find(tmp_path, plain(text=text, header=header))
    assert dialect.settings() == settings
    assert (dialect.header, dialect.columns) == (header, 4)


def test_escapes_without_quotes(tmp_path):
    text = "user,item,title\n" + "".join(f"u{n},i{n},one{chr(92) + ',' if n % 2 else ''} two\n" for n in range(30))
    assert find(tmp_path, text).settings() == {"quote": None, "escape": "\\"}


def test_a_few_misplaced_quotes_do_not_change_the_dialect(tmp_path):
    text = "user,item,title\n" + "".join(f'u{n},i{n},"a ""b"" {n}, c"\n' for n in range(30)) + 'u,i,"Real" Thing\n' * 3
    assert find(tmp_path, text).settings() == {}


@pytest.mark.parametrize("header", [True, False])
def test_trailing_delimiters_add_no_column(tmp_path, header):
    text = "".join(f"{u}::{i}::{t}::\n" for u, i, t, *_ in ROWS)
    dialect = find(tmp_path, ("user::item::ts::\n" if header else "") + text)
    assert (dialect.delimiter, dialect.header, dialect.columns) == ("::", header, 3)


def test_ratings_and_movies_of_movielens(tmp_path):
    ratings = "".join(f"{n % 9 + 1}::{1193 + n}::{n % 5 + 1}::{978300760 + n}\n" for n in range(50))
    assert find(tmp_path, ratings).settings() == {"delimiter": "::"}
    titles = [
        "Toy Story (1995)::Animation|Children's",
        "Star Wars: A New Hope (1977)::Action",
        "Amélie::Comedy|Romance",
    ]
    movies = "".join(f"{n + 1}::{titles[n % 3]}\n" for n in range(50))
    assert find(tmp_path, movies, encoding="latin-1").settings() == {"delimiter": "::", "encoding": "latin-1"}


@pytest.mark.parametrize(("encoding", "found"), [("utf-8-sig", {}), ("utf-16", {"encoding": "utf-16"})])
@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_marks_line_ends_and_packed_files(tmp_path, encoding, found, ending):
    text = plain(text="{title} \x85 \u2028 \x1c").replace("\n", ending)
    dialect = find(tmp_path, text, pack=gzip.compress, encoding=encoding)
    assert (dialect.settings(), dialect.columns) == (found, 4)


def test_files_without_a_table_are_refused(tmp_path):
    for text, expected in (("", "is empty"), ("one\ntwo\n", "separates two columns"), ("<html>", "is an HTML page")):
        with pytest.raises(DataError, match=expected):
            find(tmp_path, text)


@pytest.mark.parametrize(
    "style",
    [
        {}, {"delimiter": "\t"}, {"quoting": csv.QUOTE_ALL}, {"doublequote": False, "escapechar": "\\"},
        {"doublequote": False, "escapechar": "\\", "quoting": csv.QUOTE_NONNUMERIC},
        {"quotechar": "'", "quoting": csv.QUOTE_ALL}, {"quoting": csv.QUOTE_NONE, "escapechar": "\\"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("title", ['The "Real" Thing, {n}', "plain {n}", "Who's on\tfirst; {n}?"])
def test_the_guessed_dialect_reads_the_file(tmp_path, style, title):
    """Rows written by the standard library are read back unchanged."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", **style).writerows(
        [("u", "i", "ts", "t"), *((u, i, t, title.format(n=n)) for u, i, t, _, n in ROWS)]
    )
    dialect = find(tmp_path, text.getvalue())
    source = CsvInteractions.model_validate(csv_source(str(tmp_path / "events.csv"), **dialect.settings()))
    reader = CsvReader("interactions", source, source_files(source, None))
    rows = list(reader.read(reader.pieces()[0], None, None))
    assert [value for batch in rows for value in batch.batch.column("t").to_pylist()] == [
        title.format(n=n) for *_, n in ROWS
    ]
    assert not any(batch.rejects for batch in rows)
