"""Executes BulkInferrer: embeds all queries, then ranks the catalogue for slices of them on Beam."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

from components.base import ExecutionContext
from dataplane.artifacts import Model, Recommendations, ServingModel, TransformedExamples, TransformGraph
from dataplane.artifacts.serving_model import IndexReport
from dataplane.columns.columnar import write_parquet
from dataplane.dataset.sequences import read_dataset
from dataplane.shards import shard_path
from dataplane.watching import watched
from models.ragged import offsets_of
from models.ranking.ranking import CandidateLists, EmbeddingScorer, best_candidates
from serving.model.index_search import IndexSearch
from serving.model.served_catalogue import ServedCatalogue
from serving.model.stored_queries import stored_query_embeddings

if TYPE_CHECKING:
    from components.bulk_inferrer.params import BulkInferrerParams

_SLICE = 16_384
_SCHEMA = pa.schema(
    [("query_id", pa.string()), ("candidate_ids", pa.list_(pa.string())), ("scores", pa.list_(pa.float32()))]
)


def recommend_to_all(
    *,
    transformed_examples: TransformedExamples,
    transform_graph: TransformGraph,
    model: Model,
    serving_model: ServingModel,
    recommendations: Recommendations,
    params: "BulkInferrerParams",
    context: ExecutionContext,
) -> dict[str, Any]:
    """Writes the shards and returns the numbers of queries, of candidates per query and of shards.

    Raises:
        DataError: the serving model was made from another catalogue.
    """
    dataset = read_dataset(transformed_examples)
    queries = len(dataset.queries)
    candidates = ServedCatalogue.of(dataset, None).exported_embeddings(serving_model)
    target = recommendations.path / "recommendations"
    target.mkdir(parents=True, exist_ok=True)
    context.progress(f"embedding {queries:,} queries")
    embedded = stored_query_embeddings(
        model, transform_graph, dataset, context, query_rows=np.arange(queries), moment=params.context
    )
    starts = range(0, queries, _SLICE)
    context.progress(f"ranking {len(candidates):,} candidates for each")
    with context.scratch_directory() as scratch:
        np.save(scratch / "queries.npy", embedded, allow_pickle=False)
        np.save(scratch / "candidates.npy", candidates, allow_pickle=False)
        index = serving_model.path / "scann" if _has_tree(serving_model) and params.search == "index" else None
        worker = _RankSlice(transformed_examples, scratch, target, params, index)
        parts = {shard_path(target, start // _SLICE): min(_SLICE, queries - start) for start in starts}
        with watched(context.progress, parts, "queries"), context.beam.pipeline() as pipeline:
            _ = pipeline | beam.Create(list(starts)) | beam.Reshuffle() | beam.ParDo(worker)
    return {"queries": queries, "top_k": min(params.top_k, len(candidates)), "shards": len(starts)}


class _RankSlice(beam.DoFn):
    """Ranks the catalogue for `_SLICE` queries from `start` on, and writes them as one shard."""

    def __init__(
        self,
        transformed_examples: TransformedExamples,
        scratch: Path,
        target: Path,
        params: "BulkInferrerParams",
        index: Path | None,
    ) -> None:
        self._examples = transformed_examples
        self._scratch = scratch
        self._target = target
        self._params = params
        self._index = index

    def setup(self) -> None:
        self._dataset = read_dataset(self._examples)
        self._queries = np.load(self._scratch / "queries.npy", mmap_mode="r")
        self._candidates = np.load(self._scratch / "candidates.npy", mmap_mode="r")
        self._search = None if self._index is None else IndexSearch(self._index)

    def process(self, start: int) -> Iterator[int]:
        stop = min(start + _SLICE, len(self._queries))
        queries = np.asarray(self._queries[start:stop])
        remove = self._params.remove_seen
        catalogue = ServedCatalogue.of(self._dataset, None)
        seen = catalogue.seen(start, stop) if remove else CandidateLists.empty(len(queries))
        count = min(self._params.top_k, len(self._candidates))
        if self._search is None:
            rows, scores = best_candidates(EmbeddingScorer(queries, self._candidates), excluded=seen, count=count)
        else:
            rows, scores = self._search.best_candidates(queries, self._candidates, excluded=seen, count=count)
        table = self._table(self._dataset.queries.ids.slice(start, stop - start), rows, scores)
        # Query ids and scores hardly repeat. Trying a dictionary on them would take as long as writing them.
        file = shard_path(self._target, start // _SLICE)
        write_parquet(file, table, repeating=["candidate_ids.list.element"])
        yield stop - start

    def _table(self, query_ids: pa.Array, rows: np.ndarray, scores: np.ndarray) -> pa.Table:
        found = rows >= 0
        offsets = pa.array(offsets_of(found.sum(axis=1)), pa.int32())
        candidate_ids = self._dataset.candidates.ids.take(pa.array(rows[found])).cast(pa.string())
        columns = [
            query_ids.cast(pa.string()),
            pa.ListArray.from_arrays(offsets, candidate_ids),
            pa.ListArray.from_arrays(offsets, pa.array(scores[found], pa.float32())),
        ]
        return pa.table(columns, schema=_SCHEMA)


def _has_tree(serving_model: ServingModel) -> bool:
    return IndexReport.read(serving_model).search == "tree"
