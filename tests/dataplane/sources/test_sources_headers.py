"""Configured columns are checked against the headers of the files, without reading the data."""

import gzip
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.example_gen import ExampleGenParams
from dataplane.sources.headers import check_headers
from models.spec.features import FeatureSpec

NO_FEATURES = FeatureSpec()


def check(directory, data, features=None):
    spec = FeatureSpec.model_validate(features) if features else NO_FEATURES
    return check_headers(ExampleGenParams(base_dir=directory, **data), spec)


def events(**changes):
    source = {"format": "csv", "path": "events.csv", "columns": {"query_id": "u", "candidate_id": "i"}}
    return {"interactions": {**source, **changes}}


@pytest.fixture
def files(tmp_path):
    (tmp_path / "events.csv").write_text("u,i,at,device,\na,x,1,tv,\n")
    (tmp_path / "items.jsonl").write_text('{"i": "x", "title": "X"}\n{"title": "Y", "i": "y"}\n')
    pq.write_table(pa.table({"u": ["a"], "age": [1]}), tmp_path / "users.parquet")
    return tmp_path


def test_existing_columns_are_no_problem(files):
    data = {
        **events(columns={"query_id": "u", "candidate_id": "i", "timestamp": "at"}),
        "queries": {"format": "parquet", "path": "users.parquet", "id": "u"},
        "candidates": {"format": "jsonl", "path": "items.jsonl", "id": "i"},
    }
    features = {
        "query": {"age": {"type": "numeric"}, "who": {"type": "id", "column": "query_id"}},
        "candidate": {"title": {"type": "text"}},
        "context": {"device": {"type": "categorical"}, "hour": {"type": "timestamp", "column": "timestamp"}},
    }
    assert check(files, data, features) == []


@pytest.mark.parametrize(("display", "found"), [("title", []), ("titel", [("display", "titel")])])
def test_what_candidates_are_shown_by_is_a_column_of_their_table(files, display, found):
    data = {**events(), "candidates": {"format": "jsonl", "path": "items.jsonl", "id": "i"}}
    problems = check_headers(ExampleGenParams(base_dir=files, **data), NO_FEATURES, shown={"display": [display]})
    assert [(problem.key, problem.value) for problem in problems] == found


def found(problems):
    return [(problem.key, problem.value) for problem in problems]


def test_missing_columns_are_listed(files):
    data = {
        **events(columns={"query_id": "user", "candidate_id": "i", "timestamp": "at"}, keep=["colour"]),
        "queries": {"format": "parquet", "path": "users.parquet", "id": "user_id"},
        "candidates": {"format": "interactions", "columns": ["price"]},
    }
    problems = check(files, data)
    assert found(problems) == [
        ("data.interactions.columns.query_id", "user"),
        ("data.interactions.keep", "colour"),
        ("data.queries.id", "user_id"),
        ("data.candidates.columns", "price"),
    ]
    assert problems[0].allowed == ("u", "i", "at", "device")
    assert problems[2].allowed == ("u", "age")


def test_features_of_missing_columns_are_listed(files):
    data = {
        **events(columns={"query_id": "u", "candidate_id": "i", "weight": "at"}),
        "candidates": {"format": "jsonl", "path": "items.jsonl", "id": "i"},
    }
    features = {
        "query": {"age": {"type": "numeric"}},
        "candidate": {"words": {"type": "text", "column": "titel"}},
        "context": {"at": {"type": "numeric"}},
    }
    problems = check(files, data, features)
    assert found(problems) == [
        ("features.query.age", "age"),
        ("features.candidate.words.column", "titel"),
        ("features.context.at", "at"),
    ]
    assert problems[1].allowed == ("candidate_id", "title")


def test_features_need_kept_columns(files):
    features = {"context": {"device": {"type": "categorical"}}}
    assert check(files, events(keep=["device"]), features) == []
    assert found(check(files, events(keep=[]), features)) == [("features.context.device", "device")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"path": "nothing.csv"}, "nothing.csv does not exist"),
        ({"path": "*.tsv"}, "no file matches"),
        ({"names": ["u", "i"]}, "5 fields in its first row, 'names' has 2"),
        ({"path": "empty.csv"}, "empty.csv is empty"),
        ({"path": "latin.csv"}, "not utf-8 text"),
        ({"format": "parquet"}, "is text, not Parquet: set 'format: csv'"),
        ({"format": "jsonl"}, "cannot be read as JSON"),
    ],
)
def test_files_that_cannot_be_read(files, changes, expected):
    (files / "empty.csv").write_text("")
    (files / "latin.csv").write_bytes("u,i,é\n".encode("latin-1"))
    problems = check(files, events(**changes))
    assert [problem.key for problem in problems] == ["data.interactions.path"]
    assert expected in problems[0].message


def test_gzipped_header(files):
    (files / "events.csv.gz").write_bytes(gzip.compress(b"u;i\na;x\n"))
    assert check(files, events(path="events.csv.gz", delimiter=";")) == []


def test_json_keys_that_vary_are_not_checked(files):
    (files / "items.jsonl").write_text('{"i": "x"}\n{"i": "y", "title": "Y"}\n')
    data = {**events(), "candidates": {"format": "jsonl", "path": "items.jsonl", "id": "i"}}
    assert check(files, data, {"candidate": {"other": {"type": "text"}}}) == []


def test_synthetic_columns_are_known():
    data = {"interactions": {"format": "synthetic"}}
    features = {"candidate": {"title": {"type": "text"}, "colour": {"type": "categorical"}}}
    assert found(check(None, data, features)) == [("features.candidate.colour", "colour")]


def test_prepared_tfds_columns_are_known_and_others_not_checked(tmp_path):
    directory = tmp_path / "shop" / "small" / "1.0.0"
    directory.mkdir(parents=True)
    features = {
        name: {"pythonClassName": "x.Tensor", "tensor": {"dtype": "string", "shape": {}}} for name in ("u", "i")
    }
    (directory / "features.json").write_text(json.dumps({"featuresDict": {"features": features}}))
    source = {
        "format": "tfds",
        "dataset": "shop/small",
        "data_dir": ".",
        "columns": {"query_id": "u", "candidate_id": "x"},
    }
    assert found(check(tmp_path, {"interactions": source})) == [("data.interactions.columns.candidate_id", "x")]
    assert check(tmp_path, {"interactions": {**source, "dataset": "shop/large"}}) == []


def test_checking_imports_nothing_heavy():
    code = (
        "import sys; import components.example_gen, dataplane.sources.headers; "
        "print(sorted({'tensorflow', 'apache_beam', 'numpy', 'pyarrow', 'tensorflow_datasets'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"
