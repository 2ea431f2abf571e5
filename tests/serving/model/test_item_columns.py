"""Columns of the candidates that are stored with a serving model."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataplane.artifacts import Examples
from serving.model.item_columns import columns_digest, item_columns, read_item_columns, write_item_columns

SERVED = pa.array(["é", "b", "Z", "10"], pa.large_string())


@pytest.fixture
def examples(tmp_path: Path) -> Examples:
    """Two shards; "2" is not served, and "b" has no row."""
    (tmp_path / "candidates").mkdir()
    for number, ids in enumerate((["é", "2"], ["10", "Z"])):
        columns = {"candidate_id": ids, "title": [f"T {name}" for name in ids], "genres": [[], ["a", "b"]]}
        pq.write_table(pa.table(columns), tmp_path / "candidates" / f"part-{number}.parquet")
    return Examples(tmp_path)


def test_served_candidates_are_found_whatever_their_order(examples: Examples, tmp_path: Path) -> None:
    write_item_columns(tmp_path, item_columns(examples, SERVED, ["genres", "title", "gone", "candidate_id"], "title"))
    items = read_item_columns(tmp_path)
    assert items is not None
    assert (items.names, items.display) == (("genres", "title"), "title")
    asked = ["é", "Z", "10", "2", "b", "zz", ""]
    titles = ["T é", "T Z", "T 10", None, None, None, None]
    assert [item["title"] for item in items.of(asked, ["title"])] == titles
    assert items.of(["Z", "é"], ["genres"]) == [{"genres": ["a", "b"]}, {"genres": []}]
    assert items.titles(asked) == {"é": "T é", "Z": "T Z", "10": "T 10"}


def test_without_a_display_column_there_are_no_titles(examples: Examples, tmp_path: Path) -> None:
    assert read_item_columns(tmp_path) is None
    write_item_columns(tmp_path, item_columns(examples, SERVED, ["title"], None))
    items = read_item_columns(tmp_path)
    assert items is not None
    assert (items.display, items.titles(["Z"])) == (None, {})


def test_the_digest_is_of_the_content(examples: Examples) -> None:
    every, fewer = (columns_digest(item_columns(examples, SERVED[:count], ["title"], "title")) for count in (4, 3))
    again = columns_digest(item_columns(examples, SERVED[::-1], ["title"], "title"))
    other = columns_digest(item_columns(examples, SERVED, ["genres"], None))
    assert every == again
    assert len({every, fewer, other}) == 3


def test_numbers_as_ids_are_texts(tmp_path: Path) -> None:
    (tmp_path / "candidates").mkdir()
    pq.write_table(pa.table({"candidate_id": [10, 9], "n": [1, 2]}), tmp_path / "candidates" / "part-0.parquet")
    write_item_columns(tmp_path, item_columns(Examples(tmp_path), SERVED, ["n"], "n"))
    items = read_item_columns(tmp_path)
    assert items is not None
    assert json.dumps(items.titles(["10", "9"])) == '{"10": "1"}'
