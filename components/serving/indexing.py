"""What ScannIndexer does: from encoded catalogue and towers to two measured, exported serving models."""

import time
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from components.artifacts import Catalogue, Model, TransformedExamples, TransformGraph
from components.base import ExecutionContext
from components.embedding import candidate_embeddings
from components.errors import DataError, RefusedError
from components.sequences import read_dataset
from components.serving.descriptions import directory_digest, write_description
from components.serving.query_index import QueryIndex, build_query_index, vectors_digest
from components.serving.served_catalogue import ServedCatalogue
from components.serving.stored_queries import stored_query_embeddings
from components.serving.warm_up import write_warm_up
from models.candidate_ids import CandidateIds
from models.features import EncodedSpec
from models.index import (
    ExactSearch,
    ScannSearch,
    Search,
    TreeSettings,
    default_leaves,
    default_leaves_to_search,
    default_reorder,
    index_recall,
    non_finite_rows,
    tree_is_possible,
    wider,
)
from models.ranking import CandidateLists, EmbeddingScorer, best_candidates
from models.serving import ServingModule, export, signature_inputs

if TYPE_CHECKING:
    from components.scann_indexer import IndexConfig, ScannIndexerParams

_EXPECTED_QUERIES = 64
_TIMED_QUERIES = 50


def tree_settings(config: "IndexConfig", *, candidates: int, answers: int) -> TreeSettings | None:
    """The settings a configuration stands for; None where the catalogue is too small for a tree.

    Args:
        config: section `index`.
        candidates: size of the catalogue.
        answers: answers of a request.
    """
    leaves = default_leaves(candidates) if config.leaves == "auto" else config.leaves
    if candidates < config.brute_force_below or not tree_is_possible(candidates, leaves):
        return None
    searched = default_leaves_to_search(leaves) if config.leaves_to_search == "auto" else config.leaves_to_search
    reorder = default_reorder(candidates, answers) if config.reorder == "auto" else config.reorder
    return TreeSettings(
        leaves=leaves,
        leaves_to_search=min(searched, leaves),
        anisotropic_threshold=config.anisotropic_threshold,
        dimensions_per_block=config.dimensions_per_block,
        reorder=min(max(reorder, answers), candidates),
        training_sample=config.training_sample,
        answers=answers,
    )


class Indexing:
    """One catalogue on its way to being served."""

    def __init__(
        self,
        transformed_examples: TransformedExamples,
        transform_graph: TransformGraph,
        model: Model,
        catalogue: Catalogue | None,
        context: ExecutionContext,
        params: "ScannIndexerParams",
    ) -> None:
        """Embeds the catalogue; `catalogue` in place of the data's own, if there is one.

        Raises:
            DataError: there is no candidate, or one's embedding is not finite.
            RefusedError: preprocessing or towers are not those of the model whose index `catalogue` refreshes.
        """
        self._graph, self._model, self._context, self._params = transform_graph, model, context, params
        self._dataset = read_dataset(transformed_examples)
        self._catalogue = ServedCatalogue.of(self._dataset, catalogue)
        self._digests = {
            "preprocessing": directory_digest(transform_graph.path / "saved_model"),
            "towers": directory_digest(model.path / "towers"),
        }
        self._refuse_other_model()
        self._ids = self._catalogue.candidates.ids
        if len(self._ids) == 0:
            raise DataError("there is no candidate to index")
        context.progress(f"embedding {len(self._ids):,} candidates")
        served = replace(self._dataset, candidates=self._catalogue.candidates)
        self._embeddings = candidate_embeddings(model, served, context)
        self._refuse_non_finite(self._embeddings, self._ids, "candidate")
        self._top_k = min(params.top_k, len(self._embeddings))
        self._settings = tree_settings(params.index, candidates=len(self._embeddings), answers=self._top_k)

    def build(self) -> dict[str, Any]:
        """Builds both searches and measures ScaNN's against the exact one: the content of `index.json`."""
        queries = self._sample_queries()
        self._context.progress("building the index")
        began = time.monotonic()
        self._exact = ExactSearch(self._embeddings)
        self._scann = ScannSearch(self._embeddings, self._settings)
        seconds = time.monotonic() - began
        self._context.progress(f"measuring recall on {len(queries):,} queries")
        recall = self._tuned_recall(queries)
        self._query_index = self._index_queries()
        return {
            "candidates": len(self._embeddings),
            "dimension": self._embeddings.shape[1],
            "search": "brute_force" if self._settings is None else "tree",
            "settings": None if self._settings is None else asdict(self._settings),
            "top_k": self._top_k,
            "recall": {f"recall@{count}": round(value, 6) for count, value in recall.items()},
            "queries": len(queries),
            "build_seconds": round(seconds, 3),
            "latency_ms": {
                "scann": _latency(self._scann, queries, self._top_k),
                "exact": _latency(self._exact, queries, self._top_k),
            },
            "query_index": self._query_index and self._query_index.report,
        }

    def _index_queries(self) -> QueryIndex | None:
        config, ids = self._params.index, self._dataset.queries.ids
        if not config.queries:
            return None
        self._context.progress(f"indexing {len(ids):,} queries")
        rows = np.arange(len(ids))
        embeddings = stored_query_embeddings(self._model, self._graph, self._dataset, self._context, query_rows=rows)
        self._refuse_non_finite(embeddings, ids, "query")
        answers = min(self._top_k, len(ids))
        settings = tree_settings(config, candidates=len(ids), answers=answers)
        return build_query_index(
            ids, embeddings, settings, answers=answers, sample=config.sample_queries, min_recall=config.min_recall
        )

    def _tuned_recall(self, queries: np.ndarray) -> dict[int, float]:
        """Recall at 10 and at `top_k`, after searching as much wider as it takes, if that is left to us."""
        config, counts = self._params.index, tuple(sorted({min(10, self._top_k), self._top_k}))
        while True:
            recall = index_recall(self._scann, self._exact, queries, counts)
            tree = self._settings
            if min(recall.values()) >= config.min_recall or tree is None or config.leaves_to_search != "auto":
                return recall
            if tree.leaves_to_search == tree.leaves:
                return recall
            self._settings = self._scann.settings = wider(tree, len(self._embeddings))

    def expected_answers(self) -> list[dict[str, Any]]:
        """What the exact model must answer to some stored queries; the way of evaluation, not of serving."""
        queries = self._queries[:_EXPECTED_QUERIES]
        nothing = CandidateLists.empty(len(queries))
        seen = self._catalogue.seen(0, len(queries)) if self._params.remove_seen else nothing
        rows, scores = best_candidates(EmbeddingScorer(queries, self._embeddings), excluded=seen, count=self._top_k)
        return [
            {
                "query_id": self._dataset.queries.ids[query].as_py(),
                "candidate_ids": self._ids.take(pa.array(found[found >= 0])).to_pylist(),
                "scores": [float(score) for score in given[found >= 0]],
            }
            for query, (found, given) in enumerate(zip(rows, scores, strict=True))
        ]

    def export(self, directory: Path) -> dict[str, int]:
        """Saves `exact/` and `scann/` below `directory`, of one identity; returns their sizes in bytes."""
        features = EncodedSpec.model_validate(self._graph.read_json("spec.json")).features
        preprocessing = tf.saved_model.load(str(self._graph.path / "saved_model"))
        towers = tf.saved_model.load(str(self._model.path / "towers"))
        candidate_ids = CandidateIds(self._ids.to_numpy(zero_copy_only=False))
        description = self._description() | {
            "features": features.model_dump(mode="json", exclude_unset=True),
            "signatures": {
                signature: {
                    "inputs": {
                        name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()} for name, spec in inputs.items()
                    }
                }
                for signature, inputs in signature_inputs(
                    features, remove_seen=self._params.remove_seen, queries=self._query_index is not None
                ).items()
            },
        }
        searches: dict[str, Search] = {"exact": self._exact, "scann": self._scann}
        for name, search in searches.items():
            self._context.progress(f"exporting the {name} model")
            module = ServingModule(
                preprocessing=preprocessing,
                towers=towers,
                features=features,
                candidate_ids=candidate_ids,
                search=search,
                top_k=self._top_k,
                remove_seen=self._params.remove_seen,
                queries=None if self._query_index is None else self._query_index.queries[name],
            )
            export(module, directory / name)
            write_description(directory / name, description | {"imports": ["scann"] if name == "scann" else []})
            write_warm_up(directory / name, description, candidate=self._ids[0].as_py())
        return {name: _size(directory / name) for name in searches}

    def _sample_queries(self) -> np.ndarray:
        # Queries are stored in the order of a hash, so the first ones are a sample.
        count = min(max(self._params.index.sample_queries, _EXPECTED_QUERIES), len(self._dataset.queries))
        rows = np.arange(count)
        self._context.progress(f"embedding {count:,} queries")
        self._queries = stored_query_embeddings(self._model, self._graph, self._dataset, self._context, query_rows=rows)
        self._refuse_non_finite(self._queries, self._dataset.queries.ids, "query")
        return self._queries

    def _description(self) -> dict[str, Any]:
        identity = {
            **self._digests,
            "catalogue": vectors_digest(self._ids, self._embeddings),
            "candidates": len(self._embeddings),
            "queries": self._query_index and self._query_index.digest,
            "dimension": self._embeddings.shape[1],
            "index": None if self._settings is None else asdict(self._settings),
            "top_k": self._top_k,
            "remove_seen": self._params.remove_seen,
        }
        metadata = self._dataset.metadata
        time_range = metadata.get("time_range")
        data = {key: metadata.get(key) for key in ("split", "seed", "final")}
        libraries = {name: version(name) for name in ("tensorflow", "scann")}
        return {
            "identity": identity,
            "refresh_of": self._catalogue.refresh_of,
            "top_k": self._top_k,
            "remove_seen": self._params.remove_seen,
            "libraries": libraries,
            "data": data | {"until": time_range and time_range[1]},
        }

    def _refuse_other_model(self) -> None:
        for part, digest in self._digests.items():
            wanted = (self._catalogue.refresh_of or self._digests).get(part)
            if digest != wanted:
                raise RefusedError(
                    f"the {part} in {self._graph.path if part == 'preprocessing' else self._model.path} has digest "
                    f"{digest}, the published model's is {wanted}: the files have changed, run the pipeline again"
                )

    @staticmethod
    def _refuse_non_finite(embeddings: np.ndarray, ids: pa.Array, side: str) -> None:
        bad = non_finite_rows(embeddings)
        if len(bad):
            first = ids[int(bad[0])].as_py()
            raise DataError(
                f"{len(bad)} of {len(embeddings)} {side} embeddings hold NaN or infinite values, the first is that of "
                f"{side} '{first}'; the training diverged (lower the learning rate) or a feature is out of range"
            )


def _latency(search: Search, queries: np.ndarray, count: int) -> float:
    """Median milliseconds of the search alone for one query, after warming up."""
    function = tf.function(search.search, input_signature=[_QUERY, tf.TensorSpec([], tf.int32)])
    seconds = []
    for query in queries[: _TIMED_QUERIES + 1]:
        began = time.perf_counter()
        function(query[None], count)
        seconds.append(time.perf_counter() - began)
    return round(1000 * float(np.median(seconds[1:] or seconds)), 3)


_QUERY = tf.TensorSpec([None, None], tf.float32)


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
