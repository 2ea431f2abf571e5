"""Drafts for undescribed files."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from components.example_gen import ExampleGenParams
from dataplane.errors import ConfigError
from dataplane.sources.headers import check_headers
from models.spec.features import FeatureSpec
from tests.pipeline.drafting.drafts import draft_config

RANDOM = np.random.default_rng(0)


def draft(*files):
    """The draft as parsed YAML, after checking that it could be run."""
    document = yaml.safe_load(draft_config([str(file) for file in files]))
    params = ExampleGenParams.model_validate(document["data"])
    shown = {"display": [document["display"]]} if "display" in document else {}
    assert check_headers(params, FeatureSpec.model_validate(document["features"]), shown=shown) == []
    return document


def events(count=400):
    return [(f"{RANDOM.integers(30):03d}", int(RANDOM.integers(50)), 1_600_000_000 + n) for n in range(count)]


def write(path, lines, encoding="utf-8", header=None, delimiter=","):
    rows = ([header] if header else []) + lines
    path.write_text("".join(delimiter.join(map(str, row)) + "\n" for row in rows), encoding=encoding)
    return path


@pytest.mark.parametrize(
    ("columns", "display"),
    [
        (("itemId", "name", "movie_title"), "movie_title"),
        (("itemId", "colour", "productName"), "productName"),
        (("itemId", "colour", "title_id"), None),
    ],
)
def test_the_column_of_titles_is_shown(tmp_path, columns, display):
    rated = write(tmp_path / "ratings.csv", events(), header=("userId", "itemId", "ts"))
    described = [(n, f"red {n % 9}", f"The tale of {n}") for n in range(50)]
    assert draft(rated, write(tmp_path / "items.csv", described, header=columns)).get("display") == display


def test_two_columns(tmp_path):
    file = write(tmp_path / "pairs.csv", [row[:2] for row in events()], header=("who", "what"))
    data = draft(file)["data"]
    assert data["interactions"]["columns"] == {"query_id": "who", "candidate_id": "what"}
    assert data["base_dir"] == str(tmp_path)
    assert "queries" not in data


def test_three_tables_of_three_formats(tmp_path):
    rated = [(*row, 1 + n % 5) for n, row in enumerate(events())]
    ratings = write(tmp_path / "ratings.tsv", rated, header=("userId", "itemId", "ts", "stars"), delimiter="\t")
    users = tmp_path / "users.parquet"
    pq.write_table(
        pa.table({
            "userId": [f"{n:03d}" for n in range(30)],
            "age": RANDOM.normal(40, 10, 30),
            "city": [("Oslo", "Rome")[n % 2] for n in range(30)],
            "vector": [[0.5, 1.0]] * 30,
        }),
        users,
    )  # fmt: skip
    items = tmp_path / "items.jsonl"
    described = [
        {"itemId": n, "title": f"The tale of {n} and {n * 7}", "genres": ["a", "b"][: n % 3], "url": f"http://x/{n}"}
        for n in range(50)
    ]
    items.write_text("".join(json.dumps(row) + "\n" for row in described))
    document = draft(items, users, ratings)
    data, features = document["data"], document["features"]
    assert data["interactions"]["path"] == "ratings.tsv"
    assert data["interactions"]["delimiter"] == "\t"
    assert data["interactions"]["columns"] == {
        "query_id": "userId", "candidate_id": "itemId", "timestamp": "ts", "weight": "stars",
    }  # fmt: skip
    assert (data["queries"]["format"], data["queries"]["id"]) == ("parquet", "userId")
    assert (data["candidates"]["format"], data["candidates"]["id"]) == ("jsonl", "itemId")
    assert features["query"] == {
        "age": {"type": "numeric"},
        "city": {"type": "categorical"},
        "vector": {"type": "vector", "dimension": 2},
    }
    assert features["candidate"] == {"title": {"type": "text"}, "genres": {"type": "categorical", "max_values": 2}}


def test_no_header_latin_and_lists(tmp_path):
    plays = write(tmp_path / "u.data", [(int(u), i, 3, at) for u, i, at in events()], delimiter="\t")
    shelf = [(n, f"Amélie goes to {n}", "A,B" if n % 2 else "C") for n in range(50)]
    films = write(tmp_path / "u.item", shelf, encoding="latin-1", delimiter="|")
    document = draft(plays, films)
    data = document["data"]
    assert data["interactions"]["names"] == ["column1", "column2", "column3", "column4"]
    assert data["interactions"]["columns"] == {
        "query_id": "column1", "candidate_id": "column2", "timestamp": "column4",
    }  # fmt: skip
    assert (data["candidates"]["encoding"], data["candidates"]["delimiter"]) == ("latin-1", "|")
    assert data["candidates"]["list_columns"] == {"column3": ","}
    assert document["features"]["candidate"]["column2"] == {"type": "text"}
    assert document["features"]["candidate"]["column3"] == {"type": "categorical", "max_values": 2}


def test_presplit_files(tmp_path):
    files = [
        write(tmp_path / name, [(int(u), i, 1) for u, i, _ in events(100)], delimiter=" ")
        for name in ("test.txt", "train.txt", "valid.txt")
    ]
    path = draft(*files)["data"]["interactions"]["path"]
    assert path == {"train": "train.txt", "validation": "valid.txt", "test": "test.txt"}


def test_parts_of_a_table(tmp_path):
    header = ("user", "item", "time")
    files = [write(tmp_path / f"part{n}.csv", events(50), header=header) for n in range(2)]
    assert draft(*files)["data"]["interactions"]["path"] == ["part0.csv", "part1.csv"]


def test_column_names_that_yaml_would_misread(tmp_path):
    rows = [(*row[:2], "a", "b") for row in events()]
    file = write(tmp_path / "events.csv", rows, header=("yes", "item: no", "#", "null"))
    columns = draft(file)["data"]["interactions"]["columns"]
    assert columns == {"query_id": "yes", "candidate_id": "item: no"}


def test_missing_files_and_files_that_are_not_tables_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.csv is not a file"):
        draft_config([str(tmp_path / "nothing.csv")])
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ConfigError, match=r"empty\.csv is empty"):
        draft_config([str(tmp_path / "empty.csv")])
    with pytest.raises(ConfigError, match="separates two columns"):
        draft_config([str(write(tmp_path / "one.csv", [("a",), ("b",)]))])
    with pytest.raises(ConfigError, match="two columns could be the ids"):
        draft_config([str(write(tmp_path / "flat.csv", [(1, 0.5), (1, 0.7)], header=("x", "y")))])


def test_the_draft_is_named_after_its_file(tmp_path):
    file = write(tmp_path / "pairs.csv", [row[:2] for row in events()], header=("who", "what"))
    assert yaml.safe_load(draft_config([str(file)], "My own"))["name"] == "my_own"
    (tmp_path / "deeper").mkdir()
    assert yaml.safe_load(draft_config([str(tmp_path / "deeper" / ".." / file.name)]))["data"]["base_dir"] == str(
        tmp_path
    )


def test_dates_and_numbers_in_another_notation(tmp_path):
    rows = [(u, f"a{i}", f"{1 + n % 28}.12.2024 13:{n % 60:02d}", f"{n},5") for n, (u, i, _) in enumerate(events())]
    file = write(tmp_path / "export.csv", rows, header=("Kunde", "Artikel", "Datum", "Preis"), delimiter=";")
    interactions = draft(file)["data"]["interactions"]
    assert interactions["columns"] == {"query_id": "Kunde", "candidate_id": "Artikel", "timestamp": "Datum"}
    assert interactions["date_formats"] == {"Datum": "%d.%m.%Y %H:%M"}
    assert interactions["decimal_commas"] == ["Preis"]


def test_weights_of_0_and_1_keep_events_of_weight_1(tmp_path):
    rows = [(*row, n % 2) for n, row in enumerate(events())]
    file = write(tmp_path / "shown.csv", rows, header=("user", "item", "time", "clicked"))
    interactions = draft(file)["data"]["interactions"]
    assert (interactions["columns"]["weight"], interactions["min_weight"]) == ("clicked", 1)


def test_repeated_column_names_are_refused(tmp_path):
    file = write(tmp_path / "twice.csv", [(*row, 1) for row in events()], header=("user", "item", "x", "x"))
    with pytest.raises(ConfigError, match="has x twice"):
        draft_config([str(file)])


def test_dictionaries_and_types_without_a_feature(tmp_path):
    users, items, times = zip(*events(), strict=True)
    table = pa.table({
        "user": pa.array(users).dictionary_encode(),
        "item": pa.array(items, pa.int32()),
        "time": pa.array(times),
        "place": [[{"lat": 1.0}]] * len(users),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "events.parquet")
    columns = draft(tmp_path / "events.parquet")["data"]["interactions"]["columns"]
    assert columns == {"query_id": "user", "candidate_id": "item", "timestamp": "time"}
    assert "# place: left out; its type is not supported" in draft_config([str(tmp_path / "events.parquet")])
