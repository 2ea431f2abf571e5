from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.base import ExecutionContext
from dataplane.artifacts import Model
from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.dataset.embedding import (
    candidate_embeddings,
    embed_queries,
    first_contexts,
    history_tokens,
    query_columns,
)
from dataplane.dataset.sequences import Dataset, Entities, Events
from tests.components.tiny_towers import save_towers
from tests.contexts import in_process


@pytest.fixture(scope="module")
def weights() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, weights: np.ndarray) -> Model:
    return save_towers(tmp_path_factory.mktemp("model"), weights, width=2, query_columns=("device", "group"))


@pytest.fixture
def context(tmp_path: Path) -> ExecutionContext:
    return in_process(scratch=tmp_path / "scratch")


def column(*values: int) -> np.ndarray:
    return np.array(values, np.int32)[:, None]


@pytest.fixture
def dataset() -> Dataset:
    """Query 0 has seen 0, 1, 2, query 1 nothing and query 2 has seen 3. A token is its row + 2."""
    events = Events(
        offsets=np.array([0, 3, 3, 4]),
        candidate=np.array([0, 1, 2, 3], np.int32),
        split=np.zeros(4, np.int8),
        context={"device": column(1, 2, 3, 4)},
    )
    queries = Entities(pa.array(["a", "b", "c"], pa.large_string()), {"group": column(1, 2, 1)})
    candidates = Entities(pa.array(list("wxyz"), pa.large_string()), {"candidate_id": column(2, 3, 4, 5)})
    return Dataset(events, queries, candidates, np.ones(4, np.int64), DatasetMetadata(ordered=True))


def test_candidates_are_embedded_in_order(model: Model, dataset: Dataset, context: ExecutionContext) -> None:
    assert np.array_equal(candidate_embeddings(model, dataset, context), np.eye(6)[[2, 3, 4, 5]])
    chosen = candidate_embeddings(model, dataset, context, rows=np.array([3, 0]))
    assert np.array_equal(chosen, np.eye(6)[[5, 2]])
    assert chosen.dtype == np.float32


def test_the_scratch_directory_is_emptied(model: Model, dataset: Dataset, context: ExecutionContext) -> None:
    candidate_embeddings(model, dataset, context)
    assert list(context.scratch.iterdir()) == []


def test_queries_are_embedded_with_their_latest_history_and_features(
    model: Model, dataset: Dataset, context: ExecutionContext, weights: np.ndarray
) -> None:
    rows = np.array([2, 0, 1])
    contexts = {"device": column(10, 20, 30)}
    columns = query_columns(dataset, query_rows=rows, history=dataset.events, history_length=2, contexts=contexts)
    embedded = embed_queries(model, columns, context)
    # Group + device, then the last two of the history: 3 (token 5); 2 and 1 (tokens 4 and 3); none.
    expected = np.array([[11.0], [21.0], [32.0]]) + np.stack([weights[5], weights[4] + weights[3], np.zeros(6)])
    np.testing.assert_allclose(embedded, expected, rtol=1e-6)


def test_many_slices_equal_one(
    model: Model, dataset: Dataset, context: ExecutionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.random.default_rng(1).integers(0, 4, 50)
    whole = candidate_embeddings(model, dataset, context, rows=rows)
    monkeypatch.setattr("dataplane.dataset.embedding._SLICE", 7)
    assert np.array_equal(candidate_embeddings(model, dataset, context, rows=rows), whole)


def test_history_tokens_are_most_recent_first_and_padded(dataset: Dataset) -> None:
    tokens = history_tokens(dataset, query_rows=np.array([0, 1, 2]), history=dataset.events, length=4)
    assert tokens.tolist() == [[4, 3, 2, 0], [0, 0, 0, 0], [5, 0, 0, 0]]
    assert tokens.dtype == np.int32


def test_contexts_are_taken_from_the_first_event(dataset: Dataset) -> None:
    assert first_contexts(dataset.events, np.array([2, 0]))["device"].tolist() == [[4], [1]]
    with pytest.raises(ValueError, match="query row 1 has no event"):
        first_contexts(dataset.events, np.array([0, 1]))


def test_no_rows_to_embed_is_an_error(model: Model, dataset: Dataset, context: ExecutionContext) -> None:
    with pytest.raises(ValueError, match="no rows"):
        candidate_embeddings(model, dataset, context, rows=np.array([], np.int64))
