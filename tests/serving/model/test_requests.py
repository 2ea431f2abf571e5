from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dataplane.artifacts import Examples
from dataplane.dataset.sequences import Dataset, read_dataset
from dataplane.errors import ConfigError
from models.spec.features import FeatureSpec
from serving.model.descriptions import InputSpec
from serving.model.requests import as_batch, complete_request, stored_requests
from tests.components.tiny_world import FEATURES, World, make_world

INPUTS = {
    "country": InputSpec(dtype="string", shape=(None,)),
    "tags": InputSpec(dtype="string", shape=(None, None)),
    "age": InputSpec(dtype="float32", shape=(None,)),
    "joined": InputSpec(dtype="int64", shape=(None,)),
    "taste": InputSpec(dtype="float32", shape=(None, 2)),
    "history": InputSpec(dtype="string", shape=(None, None)),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def dataset(world: World) -> Dataset:
    return read_dataset(world.transformed_examples)


def test_a_stored_query_has_its_features_and_history(world: World, dataset: Dataset) -> None:
    table = {row["query_id"]: row for row in pq.read_table(world.examples.path / "queries").to_pylist()}
    ids = dataset.queries.ids.to_pylist()
    for query, request in zip(ids, stored_requests(world.examples, dataset, FEATURES, ids), strict=True):
        row = table.get(query, dict.fromkeys(["country", "tags", "age", "joined", "taste"]))
        assert request["country"] == row["country"]
        assert request["tags"] == (row["tags"] or [])
        assert request["age"] == row["age"]
        assert request["joined"] == (row["joined"] and int(row["joined"].timestamp() // 1))
        assert request["taste"] == (row["taste"] and list(np.float32(row["taste"]).astype(float)))
        assert request["device"] is None
        place = ids.index(query)
        start, stop = dataset.events.offsets[place : place + 2]
        wanted = [f"c{candidate:05d}" for candidate in dataset.events.candidate[start:stop]]
        assert request["history"] == wanted


def test_an_unknown_query_is_refused(world: World, dataset: Dataset) -> None:
    for query in ("q4000", "", "Q1"):
        with pytest.raises(ConfigError, match="is not among the 40 queries"):
            stored_requests(world.examples, dataset, FEATURES, [query])


def test_without_a_query_table_only_the_id_is_known(dataset: Dataset, tmp_path: Path) -> None:
    features = FeatureSpec.model_validate(
        {"query": {"user": {"type": "id", "column": "query_id"}, "age": {"type": "numeric"}}}
    )
    (request,) = stored_requests(Examples(tmp_path), dataset, features, ["q3"])
    assert request["user"] == "q3"
    assert request["age"] is None


def test_what_is_left_out_is_missing() -> None:
    request = complete_request(INPUTS, {})
    assert request["country"] == ""
    assert np.isnan(request["age"])
    assert request["joined"] == -(2**63)
    assert np.isnan(request["taste"]).tolist() == [True, True]
    assert request["tags"] == request["history"] == []
    assert str(complete_request(INPUTS, dict.fromkeys(INPUTS))) == str(request)


def test_numbers_may_stand_for_ids() -> None:
    request = complete_request(INPUTS, {"country": 7, "history": [1, "b"], "age": 3, "taste": [1, 2.5], "joined": 9})
    assert request == {
        "country": "7", "tags": [], "age": 3.0, "joined": 9, "taste": [1.0, 2.5], "history": ["1", "b"],
    }  # fmt: skip


def test_a_flag_to_filter_by_may_be_a_boolean() -> None:
    inputs = {"where_in_stock": INPUTS["country"], "where_flags": INPUTS["tags"]}
    request = complete_request(inputs, {"where_in_stock": True, "where_flags": [False, "x"]})
    assert request == {"where_in_stock": "true", "where_flags": ["false", "x"]}


def test_a_whole_number_may_be_written_with_a_fraction_of_zero() -> None:
    joined = complete_request(INPUTS, {"joined": 1.7e9})["joined"]
    assert (joined, type(joined)) == (1_700_000_000, int)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"contry": "nl"}, "'contry' is not an input of the model; its inputs are: age, country"),
        ({"age": "old"}, "'age' must be a number, got 'old'"),
        ({"country": 1.5}, "'country' must be a string, got 1.5"),
        ({"country": True}, "'country' must be a string, got True"),
        ({"age": False}, "'age' must be a number, got False"),
        ({"taste": [1.0, True]}, "'taste' must be a number, got True"),
        ({"joined": True}, "'joined' must be a whole number"),
        ({"country": ["nl"]}, "'country' must be a string"),
        ({"history": "a"}, "'history' must be a list, each item a string; got 'a'"),
        ({"history": [["a"]]}, "'history' must be a string"),
        ({"taste": [1.0]}, "'taste' must have 2 items, got 1"),
        ({"joined": 1.5}, r"'joined' must be a whole number \(Unix seconds\), got 1.5"),
        ({"joined": 2**63}, "beyond 64 bits"),
        ({"joined": 2.0**63}, "beyond 64 bits"),
        ({"joined": float("inf")}, "'joined' must be a whole number"),
    ],
)
def test_requests_that_do_not_fit_are_refused(request_: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        complete_request(INPUTS, request_)


def test_a_batch_pads_lists_to_one_width() -> None:
    batch = as_batch(INPUTS, [complete_request(INPUTS, {"history": ["a", "b"]}), complete_request(INPUTS, {})])
    assert batch["history"] == [["a", "b"], ["", ""]]
    assert batch["tags"] == [[], []]
    assert len(batch["taste"]) == 2


def test_numbers_of_64_bits_are_missing_or_given_exactly() -> None:
    inputs = {"where_price_max": InputSpec(dtype="float64", shape=(None,))}
    assert complete_request(inputs, {"where_price_max": 1e300}) == {"where_price_max": 1e300}
    assert complete_request(inputs, {"where_price_max": 2**53 - 1}) == {"where_price_max": float(2**53 - 1)}
    assert np.isnan(complete_request(inputs, {})["where_price_max"])
    with pytest.raises(ConfigError, match="'where_price_max' is beyond 64-bit floating point"):
        complete_request(inputs, {"where_price_max": 10**400})
    with pytest.raises(ConfigError, match="'where_price_max' must be a number, got 'dear'"):
        complete_request(inputs, {"where_price_max": "dear"})
