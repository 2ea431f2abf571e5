"""Embeds stored queries as requests with their features and whole history would be embedded."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from dataplane.artifacts import Model, TransformGraph
from dataplane.artifacts.transform_graph import read_spec
from dataplane.columns.raw_features import raw_features
from dataplane.context import ExecutionContext
from dataplane.dataset.embedding import embed_queries, query_columns
from dataplane.dataset.sequences import Dataset
from models.spec.features import EncodedSpec


def stored_query_embeddings(
    model: Model,
    transform_graph: TransformGraph,
    dataset: Dataset,
    context: ExecutionContext,
    *,
    query_rows: np.ndarray,
    moment: Mapping[str, Any] | None = None,
) -> np.ndarray:
    """Embeddings of queries after all their events, float32 `[len(query_rows), dim]`; `moment` as for their columns."""
    columns = stored_query_columns(transform_graph, dataset, query_rows=query_rows, moment=moment)
    return embed_queries(model, columns, context)


def stored_query_columns(
    transform_graph: TransformGraph,
    dataset: Dataset,
    *,
    query_rows: np.ndarray,
    moment: Mapping[str, Any] | None = None,
) -> dict[str, np.ndarray]:
    """The query tower's inputs for queries after all their events, each `[len(query_rows), width]`.

    Args:
        transform_graph: the preprocessing.
        dataset: the queries and their events.
        query_rows: rows of the queries.
        moment: values of context features, the same for all queries; the others are missing.
    """
    spec = read_spec(transform_graph)
    return query_columns(
        dataset,
        query_rows=query_rows,
        history=dataset.events,
        history_length=None if spec.features.history is None else spec.features.history.max_length,
        contexts=missing_contexts(transform_graph, spec, len(query_rows), moment=moment),
    )


def missing_contexts(
    transform_graph: TransformGraph, spec: EncodedSpec, rows: int, *, moment: Mapping[str, Any] | None = None
) -> dict[str, np.ndarray]:
    """Encoded context columns of requests without a context but `moment`, each `[rows, width]`."""
    if not spec.features.context:
        return {}
    from models.preprocessing.preprocessing import encode, load_preprocessing

    features = spec.features.of("context")
    given = {name: pa.array([value]) for name, value in (moment or {}).items()}
    table = pa.table({feature.column or name: given.get(name, pa.nulls(1)) for name, feature in features.items()})
    raw = raw_features(features, table)
    encoded = encode(load_preprocessing(transform_graph.path / "saved_model"), "context", raw)
    return {name: np.broadcast_to(values, (rows, values.shape[1])) for name, values in encoded.items()}
