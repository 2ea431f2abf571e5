"""TensorFlow Datasets: prepared ones are read, and for others the message says how to get them."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.example_gen import ExampleGen, ExampleGenParams
from dataplane.artifacts import Examples
from dataplane.beam_runner.addresses import free_port
from dataplane.errors import DataError
from tests.contexts import in_process
from tests.paths import SHARED

PREPARED = SHARED / "data" / "tfds"
needs_movielens = pytest.mark.skipif(not PREPARED.is_dir(), reason="no prepared MovieLens beside this checkout")


def make_dataset(directory, *, rows=10):
    """A small data set with all kinds of columns, prepared by TFDS."""
    import numpy as np
    import tensorflow_datasets as tfds

    features = tfds.features.FeaturesDict(
        {
            "user": np.int64,
            "item": tfds.features.Text(),
            "liked": np.bool_,
            "price": np.float32,
            "genre": tfds.features.ClassLabel(names=["drama", "comedy"]),
            "tags": tfds.features.Sequence(tfds.features.Text()),
            "vector": tfds.features.Tensor(shape=(2,), dtype=np.float32),
            "nested": {"colour": tfds.features.ClassLabel(names=["red", "blue"])},
            "image": tfds.features.Image(shape=(1, 1, 3)),
        }
    )

    class Shop(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.2.0")

        def _info(self):
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(rows), "test": self._generate_examples(2)}

        def _generate_examples(self, count):
            for n in range(count):
                yield n, {
                    "user": n, "item": f"café {n}", "liked": n % 2 == 0, "price": n / 2, "genre": n % 2,
                    "tags": ["t"] * (n % 3), "vector": [n, 1], "nested": {"colour": 1},
                    "image": np.zeros((1, 1, 3), np.uint8),
                }  # fmt: skip

    Shop(data_dir=str(directory)).download_and_prepare()


def run(directory, **data):
    examples = Examples(directory / "examples")
    component = ExampleGen(ExampleGenParams(base_dir=directory, **data))
    context = in_process(scratch=directory / "scratch")
    facts = component.execute(ExampleGen.Inputs(), ExampleGen.Outputs(examples), context)
    return facts, component


def rows(directory, table):
    shards = sorted((directory / "examples" / table).glob("*.parquet"))
    return pa.concat_tables(map(pq.read_table, shards)).to_pylist()


def source(**changes):
    return {
        "format": "tfds",
        "dataset": "shop",
        "data_dir": "prepared",
        "columns": {"query_id": "user", "candidate_id": "item"},
        **changes,
    }


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    directory = tmp_path_factory.mktemp("shop")
    make_dataset(directory / "prepared")
    return directory


def test_all_kinds_of_columns(shop):
    facts, component = run(shop, interactions=source())
    by_user = {row["query_id"]: row for row in rows(shop, "interactions")}
    assert len(by_user) == 10
    assert by_user["5"] == {
        "query_id": "5", "candidate_id": "café 5", "liked": False, "price": 2.5, "genre": "comedy", "tags": ["t", "t"],
        "vector": [5.0, 1.0], "nested/colour": "blue",
    }  # fmt: skip
    assert by_user["3"]["tags"] == []
    assert "image" in facts["columns_left_out"]["interactions"]
    assert all(it.startswith("prepared/shop/1.2.0:") for it in component.prepare().external.values())


def test_a_version_prepared_after_the_cache_key_is_refused(shop, tmp_path):
    shutil.copytree(shop / "prepared", tmp_path / "prepared")
    component = ExampleGen(ExampleGenParams(base_dir=tmp_path, interactions=source()))
    prepared = component.prepare()
    shutil.copytree(tmp_path / "prepared" / "shop" / "1.2.0", tmp_path / "prepared" / "shop" / "1.3.0")
    outputs = ExampleGen.Outputs(Examples(tmp_path / "examples"))
    with pytest.raises(DataError, match="after the files of interactions were listed"):
        prepared.execute(ExampleGen.Inputs(), outputs, in_process(scratch=tmp_path))
    assert component.prepare().external != prepared.external


def test_splits_and_parts_of_splits(shop):
    run(shop, interactions=source(split={"train": "train[:40%]", "test": "test"}, keep=["price"]))
    splits = [row["split"] for row in rows(shop, "interactions")]
    assert (splits.count("train"), splits.count("test")) == (4, 2)
    with pytest.raises(DataError, match="has no split 'validation'; it has test, train"):
        run(shop, interactions=source(split="validation"))


def test_an_unavailable_data_set_is_refused(shop):
    with pytest.raises(DataError) as refused:
        run(shop, interactions=source(dataset="no_such_data_set"))
    message = str(refused.value)
    assert "no_such_data_set" in message
    assert str(shop / "prepared") in message
    assert "TFDS_DATA_DIR" in message


def test_a_download_whose_server_cannot_be_reached_fails_at_once(tmp_path, monkeypatch):
    """TFDS itself would retry ten times, for minutes."""
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "prepared"))
    columns = {"query_id": "user_id", "candidate_id": "movie_id"}
    for dataset in ("movielens/100k-ratings", "movielens/1m-ratings:0.1.1"):
        with pytest.raises(DataError) as refused:
            run(tmp_path, interactions={"format": "tfds", "dataset": dataset, "columns": columns})
        message = str(refused.value)
        assert "127.0.0.1" in message
        assert "cannot be reached" in message
        assert f"is not prepared in {tmp_path / 'prepared'}" in message
        assert f"{dataset.partition(':')[0]}/{dataset.partition(':')[2] or 'VERSION'}/features.json" in message
        assert "set TFDS_DATA_DIR" in message


@needs_movielens
def test_movielens_100k(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(PREPARED))
    facts, _ = run(
        tmp_path,
        interactions={
            "format": "tfds",
            "dataset": "movielens/100k-ratings",
            "columns": {"query_id": "user_id", "candidate_id": "movie_id", "timestamp": "timestamp"},
            "keep": [],
        },
        queries={"format": "interactions", "columns": ["user_gender", "user_occupation_label"]},
        candidates={"format": "tfds", "dataset": "movielens/100k-movies", "id": "movie_id"},
    )
    assert facts == {"interactions": 100_000, "queries": 943, "candidates": 1682, "time_unit": "s"}
    movies = {row["candidate_id"]: row for row in rows(tmp_path, "candidates")}
    assert movies["1"]["movie_title"] == "Toy Story (1995)"
    assert movies["1"]["movie_genres"] == ["Animation", "Children", "Comedy"]
