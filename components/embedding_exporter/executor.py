"""Executes EmbeddingExporter: writes the embeddings of queries and candidates as Parquet, on Beam."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from components.base import ExecutionContext
from dataplane.artifacts import Catalogue, Embeddings, Model, ServingModel, TransformedExamples, TransformGraph
from dataplane.columns.columnar import write_parquet
from dataplane.dataset.sequences import read_dataset, read_entities, write_ids
from dataplane.shards import shard_path
from serving.model.descriptions import read_identity
from serving.model.served_catalogue import ServedCatalogue
from serving.model.stored_queries import stored_query_embeddings

if TYPE_CHECKING:
    from components.embedding_exporter.params import EmbeddingExporterParams

_SLICE = 65_536
_ID_COLUMNS = {"candidates": "candidate_id", "queries": "query_id"}


def export_embeddings(
    *,
    transformed_examples: TransformedExamples,
    transform_graph: TransformGraph,
    model: Model,
    serving_model: ServingModel,
    catalogue: Catalogue | None,
    embeddings: Embeddings,
    params: "EmbeddingExporterParams",
    context: ExecutionContext,
) -> dict[str, Any]:
    """Writes the parts and returns the numbers of candidates and queries, and the dimension of the embeddings.

    Raises:
        DataError: the serving model was made from another catalogue.
    """
    dataset = read_dataset(transformed_examples)
    served = ServedCatalogue.of(dataset, catalogue)
    identity = read_identity(serving_model.path / "exact")
    metadata = {"metric": "dot_product", "identity": json.dumps(identity)}
    tables: dict[str, tuple[pa.Array, np.ndarray]] = {}
    if params.candidates:
        tables["candidates"] = (served.candidates.ids, served.exported_embeddings(serving_model))
    if params.queries:
        rows = np.arange(len(dataset.queries))
        context.progress(f"embedding {len(rows):,} queries")
        embedded = stored_query_embeddings(model, transform_graph, dataset, context, query_rows=rows)
        tables["queries"] = (dataset.queries.ids, embedded)
    with context.scratch_directory() as scratch:
        for name, (ids, vectors) in tables.items():
            (embeddings.path / name).mkdir(parents=True, exist_ok=True)
            write_ids(scratch / name, ids)
            np.save(scratch / name / "embedding.npy", vectors, allow_pickle=False)
        slices = [(name, start) for name, (ids, _) in tables.items() for start in range(0, len(ids), _SLICE)]
        with context.beam.pipeline() as pipeline:
            worker = _WriteSlice(scratch, embeddings.path, metadata)
            _ = pipeline | beam.Create(slices) | beam.Reshuffle() | beam.ParDo(worker)
    return {name: len(ids) for name, (ids, _) in tables.items()} | {"dimension": identity["dimension"]}


class _WriteSlice(beam.DoFn):
    """Writes `_SLICE` rows of a table, from row `start` on, as one part."""

    def __init__(self, scratch: Path, target: Path, metadata: dict[str, str]) -> None:
        self._scratch = scratch
        self._target = target
        self._metadata = metadata

    def process(self, element: tuple[str, int]) -> Iterator[int]:
        name, start = element
        entities = read_entities(self._scratch / name)
        vectors = np.asarray(entities.columns["embedding"][start : start + _SLICE])
        columns = {
            _ID_COLUMNS[name]: entities.ids.slice(start, _SLICE).cast(pa.string()),
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1]),
        }
        table = pa.table(columns).replace_schema_metadata(self._metadata)
        write_parquet(shard_path(self._target / name, start // _SLICE), table)
        yield len(vectors)
