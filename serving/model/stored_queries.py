"""Embeds stored queries as requests with their features and whole history would be embedded."""

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
) -> np.ndarray:
    """Embeddings of queries after all their events, context features missing, float32 `[len(query_rows), dim]`."""
    columns = stored_query_columns(transform_graph, dataset, query_rows=query_rows)
    return embed_queries(model, columns, context)


def stored_query_columns(
    transform_graph: TransformGraph, dataset: Dataset, *, query_rows: np.ndarray
) -> dict[str, np.ndarray]:
    """The query tower's inputs for queries after all their events, each `[len(query_rows), width]`."""
    spec = read_spec(transform_graph)
    return query_columns(
        dataset,
        query_rows=query_rows,
        history=dataset.events,
        history_length=None if spec.features.history is None else spec.features.history.max_length,
        contexts=missing_contexts(transform_graph, spec, len(query_rows)),
    )


def missing_contexts(transform_graph: TransformGraph, spec: EncodedSpec, rows: int) -> dict[str, np.ndarray]:
    """Encoded context columns of requests without any context, each `[rows, width]`."""
    if not spec.features.context:
        return {}
    from models.preprocessing.preprocessing import encode, load_preprocessing

    features = spec.features.of("context")
    missing = pa.table({feature.column or name: pa.nulls(1) for name, feature in features.items()})
    raw = raw_features(features, missing)
    encoded = encode(load_preprocessing(transform_graph.path / "saved_model"), "context", raw)
    return {name: np.broadcast_to(values, (rows, values.shape[1])) for name, values in encoded.items()}
