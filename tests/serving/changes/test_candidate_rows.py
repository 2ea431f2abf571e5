"""Rows of candidates as changes, for models with and without filters."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dataplane.errors import ConfigError
from models.spec.selection import FilterKind
from serving.changes.candidate_rows import CandidateRows, removed
from serving.changes.change_log import Change
from serving.model.descriptions import InputSpec, ModelDescription, Signature
from serving.model.request_rows import read_table
from serving.model.requests import complete_request

INPUTS = {
    "candidate_id": InputSpec(dtype="string", shape=(None,)),
    "price": InputSpec(dtype="float32", shape=(None,)),
    "tags": InputSpec(dtype="string", shape=(None, None)),
    "face": InputSpec(dtype="float32", shape=(None, 2)),
}
FILTERS: Mapping[str, FilterKind] = {"price": "range", "brand": "equals", "tag": "any_of", "no_tags": "none_of"}


def rows(filters: Mapping[str, FilterKind] = FILTERS) -> CandidateRows:
    description = ModelDescription(
        identity={},
        signatures={"embed_candidate": Signature(inputs=INPUTS)},
        filters=filters,
        filter_columns={"tag": "tags", "no_tags": "tags"} if filters else {},
    )
    return CandidateRows(description)


def test_a_row_becomes_a_change_with_what_it_has() -> None:
    change = rows({}).added({"candidate_id": 7, "tags": ["x", "y"], "price": None})
    assert change == Change("7", {"candidate_id": "7", "tags": ["x", "y"]})
    assert complete_request(INPUTS, json.loads(json.dumps(change.inputs)))["tags"] == ["x", "y"]
    assert (removed("a"), removed({"candidate_id": 7})) == (Change("a", None), Change("7", None))
    with pytest.raises(ConfigError, match="a row has no candidate_id"):
        rows().added({"price": 1})
    with pytest.raises(ConfigError, match="'brand' is not an input of a candidate; its inputs are: candidate_id, face"):
        rows({}).added({"candidate_id": "a", "brand": "x"})


def test_a_filter_reads_its_column_and_tells_missing_from_unknown() -> None:
    change = rows().added({"candidate_id": "a", "tags": ["x", ""], "price": 0})
    assert change.attributes == {"price": 0.0, "tag": ["x"], "no_tags": ["x"]}
    assert change.inputs == {"candidate_id": "a", "tags": ["x", ""], "price": 0.0}
    missing = rows().added({"candidate_id": "a", "tags": [], "price": None, "brand": ""})
    assert missing.attributes == {"price": None, "tag": None, "no_tags": None, "brand": None}
    assert rows().added({"candidate_id": "a", "brand": 7}).attributes == {"brand": "7"}
    assert rows().added({"candidate_id": "a", "brand": True}).attributes == {"brand": "true"}
    with pytest.raises(ConfigError, match="'brand' must be a string"):
        rows().added({"candidate_id": "a", "brand": ["x"]})


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_file_has_the_columns_of_the_candidate_table(tmp_path: Path, suffix: str) -> None:
    table: list[dict[str, Any]] = [
        {"candidate_id": "a", "eur": 2.5, "price": 2, "tags": ["x", "y"], "title": "A"},
        {"candidate_id": "b", "eur": None, "price": None, "tags": ["z"], "title": "B"},
    ]
    file = tmp_path / f"rows{suffix}"
    if suffix == ".csv":
        file.write_text('candidate_id,eur,price,tags,title\na,2.5,2,"[""x"",""y""]",A\nb,,,z,B\n')
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in table))
    reader = rows()
    columns = {"price": "eur", **reader.columns}
    assert list(read_table(file, reader.inputs, reader.added_by_key, columns=columns)) == [
        Change(
            "a",
            {"candidate_id": "a", "price": 2.5, "tags": ["x", "y"]},
            {"price": 2.0, "tag": ["x", "y"], "no_tags": ["x", "y"]},
        ),
        Change("b", {"candidate_id": "b", "tags": ["z"]}, {"price": None, "tag": ["z"], "no_tags": ["z"]}),
    ]
    file.write_text(file.read_text().replace("2.5", "dear"))
    with pytest.raises(ConfigError, match=r"rows\.(csv|jsonl)"):
        list(read_table(file, reader.inputs, reader.added_by_key, columns=columns))
