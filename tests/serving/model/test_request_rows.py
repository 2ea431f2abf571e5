"""Rows for a signature, from files of several formats."""

import csv
import datetime
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataplane.errors import ConfigError
from serving.model.descriptions import InputSpec
from serving.model.request_rows import read_rows, read_table
from serving.model.requests import complete_request

INPUTS = {
    "query_id": InputSpec(dtype="string", shape=(None,)),
    "age": InputSpec(dtype="float32", shape=(None,)),
    "joined": InputSpec(dtype="int64", shape=(None,)),
    "tags": InputSpec(dtype="string", shape=(None, None)),
    "taste": InputSpec(dtype="float32", shape=(None, 2)),
}
ROWS: list[dict[str, Any]] = [
    {"query_id": "007", "age": 33.5, "joined": 86400, "tags": ["a", 'b,"'], "taste": [1.0, 2.0]},
    {"query_id": "é", "age": None, "joined": None, "tags": None, "taste": None},
]


def written(tmp_path: Path, suffix: str) -> Path:
    file = tmp_path / f"rows{suffix}"
    match suffix:
        case ".csv":
            with file.open("w", encoding="utf-8", newline="") as lines:
                writer = csv.writer(lines)
                writer.writerow(ROWS[0])
                writer.writerow(["007", 33.5, "1970-01-02T00:00:00", json.dumps(ROWS[0]["tags"]), "[1, 2]"])
                writer.writerow(["é", "", "", "", ""])
        case ".jsonl":
            file.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
        case _:
            moment = datetime.datetime(1970, 1, 2, tzinfo=datetime.UTC)
            rows = [{**row, "joined": moment if row["joined"] else None} for row in ROWS]
            pq.write_table(pa.Table.from_pylist(rows), file)
    return file


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_rows_are_read_as_requests_in_their_order(tmp_path: Path, suffix: str) -> None:
    found = list(read_rows(written(tmp_path, suffix), INPUTS))
    wanted = [complete_request(INPUTS, row) for row in ROWS]
    assert [repr(row) for row in found] == [repr(row) for row in wanted]  # NaN equals nothing


def test_a_table_may_have_other_columns_and_other_names(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("query_id,years,url\nq1,7,x\n")
    rows = list(read_table(file, INPUTS, dict, columns={"age": "years", "taste": "gone"}))
    assert rows == [{"query_id": "q1", "age": 7.0}]
    with pytest.raises(ConfigError, match=r"table\.csv: row 1: 'url' is no input; the inputs are age, "):
        list(read_rows(file, INPUTS))


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", "age\n7\nold\n", "row 2: could not convert string to float"),
        ("a.csv", "age,query_id\n7\n", "a row has fewer cells than the header"),
        ("a.csv", "age\n7,8\n", "a row has more cells than the header"),
        ("a.jsonl", '{"age": 7}\n{"age": [7]}\n', "row 2: request: 'age' must be a number"),
        ("a.jsonl", "[7]\n", "line 1 must be a JSON object"),
        ("a.jsonl", "{\n", "line 1 is not JSON"),
        ("a.parquet", "PAR", "cannot be read"),
        ("a.xls", "", r"must end in one of \.csv, \.jsonl"),
    ],
)
def test_what_does_not_fit_is_told_with_its_row(tmp_path: Path, name: str, content: str, problem: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=problem):
        list(read_rows(tmp_path / name, INPUTS))


def test_a_file_is_read_as_its_rows_are_needed(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"age": 1}\n' * 3 + "broken\n")
    rows: Any = read_rows(file, INPUTS)
    assert [next(rows)["age"] for _ in range(3)] == [1, 1, 1]
    with pytest.raises(ConfigError, match="line 4"):
        next(rows)
