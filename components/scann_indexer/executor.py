"""What ScannIndexer does: from encoded catalogue and towers to two measured, exported serving models."""

import time
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from components.base import ExecutionContext
from components.scann_indexer.index_tuning import Tuner, latency_ms
from components.scann_indexer.query_index import QueryIndex, build_query_index, vectors_digest
from dataplane.artifacts import Catalogue, Model, TransformedExamples, TransformGraph
from dataplane.dataset.embedding import candidate_embeddings, embed_queries
from dataplane.dataset.sequences import read_dataset
from dataplane.errors import DataError, RefusedError
from models.ranking.collapse import collapse
from models.ranking.ranking import CandidateLists, EmbeddingScorer, best_candidates
from models.retrieval.candidate_ids import CandidateIds
from models.retrieval.index import ExactSearch, Search, non_finite_rows
from models.retrieval.index_recall import RecallMeter
from models.retrieval.serving import ServingModule, export, signature_inputs
from models.spec.features import EncodedSpec
from serving.model.descriptions import write_description
from serving.model.identities import part_digest
from serving.model.served_catalogue import ServedCatalogue
from serving.model.stored_queries import stored_query_columns, stored_query_embeddings
from serving.model.version_digests import PROMISE, write_digests
from serving.model.warm_up import write_warm_up

if TYPE_CHECKING:
    from components.scann_indexer.params import ScannIndexerParams

_EXPECTED_QUERIES = 64


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
            "preprocessing": part_digest(transform_graph.path / "saved_model"),
            "towers": part_digest(model.path / "towers"),
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

    def build(self) -> dict[str, Any]:
        """Builds both searches, ScaNN's for the recall target, and measures them: the content of `index.json`."""
        queries, tuning_queries = self._sample_queries()
        config, answers = self._params.index, self._top_k
        began = time.monotonic()
        self._exact = ExactSearch(self._embeddings)
        self._embeddings = self._exact.matrix  # a table of millions is held once
        tuned = Tuner(
            config,
            self._exact,
            tuning_queries,
            answers=answers,
            other_queries=len(queries),
            progress=self._context.progress,
        ).tune()
        self._scann, self._settings = tuned.search, tuned.search.settings
        seconds = time.monotonic() - began
        self._query_index = self._index_queries()
        self._context.progress(f"measuring recall on {len(queries):,} other queries")
        k = min(config.recall_target.k, answers)
        counts = tuple(sorted({min(10, answers), k, answers}))
        meter = RecallMeter(self._exact, queries, counts, asked=answers)
        with self._scann.asked() as search:
            recall, latency = meter.recall(search), latency_ms(search, queries, count=answers)
        return {
            "candidates": len(self._embeddings),
            "dimension": self._embeddings.shape[1],
            "search": "brute_force" if self._settings is None else "tree",
            "settings": None if self._settings is None else asdict(self._settings),
            "top_k": answers,
            "target": {"k": k, "recall": config.recall_target.recall, "reached": float(recall[k].mean())},
            "recall": {f"recall@{count}": round(float(found.mean()), 6) for count, found in recall.items()},
            "queries": len(queries),
            "build_seconds": round(seconds, 3),
            "latency_ms": {
                "scann": latency,
                "exact": latency_ms(tf.function(self._exact.search), queries, count=answers),
            },
            "tuning": {
                "queries": len(tuning_queries),
                "chosen": tuned.point.facts(),
                "builds": tuned.builds,
                "curve": tuned.curve,
            },
            "query_index": self._query_index and self._query_index.report,
        }

    def _index_queries(self) -> QueryIndex | None:
        ids = self._dataset.queries.ids
        if not self._params.index.queries:
            return None
        self._context.progress(f"indexing {len(ids):,} queries")
        rows = np.arange(len(ids))
        embeddings = stored_query_embeddings(self._model, self._graph, self._dataset, self._context, query_rows=rows)
        self._refuse_non_finite(embeddings, ids, "query")
        return build_query_index(
            ids, embeddings, self._params.index, answers=self._top_k, progress=self._context.progress
        )

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
        description = (
            self._description()
            | PROMISE
            | {
                "features": features.model_dump(mode="json", exclude_unset=True),
                "signatures": {
                    signature: {
                        "inputs": {
                            name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}
                            for name, spec in inputs.items()
                        }
                    }
                    for signature, inputs in signature_inputs(
                        features, remove_seen=self._params.remove_seen, queries=self._query_index is not None
                    ).items()
                },
            }
        )
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
            write_digests(directory / name)
        return {name: _size(directory / name) for name in searches}

    def _sample_queries(self) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings of the queries that judge the index and of those that choose its settings."""
        # Queries are stored in the order of a hash, so any part of them is a sample.
        half = max(self._params.index.sample_queries, _EXPECTED_QUERIES)
        rows = np.arange(min(2 * half, len(self._dataset.queries)))
        self._context.progress(f"embedding {len(rows):,} queries")
        asked = stored_query_columns(self._graph, self._dataset, query_rows=rows)
        self._queries = embed_queries(self._model, asked, self._context)
        self._refuse_non_finite(self._queries, self._dataset.queries.ids, "query")
        self._refuse_collapsed(asked)
        judging = (len(rows) + 1) // 2
        return self._queries[:judging], self._queries[judging:] if len(rows) > 1 else self._queries

    def _description(self) -> dict[str, Any]:
        identity = {
            **self._digests,
            "catalogue": vectors_digest(self._ids, self._embeddings),
            "candidates": len(self._embeddings),
            "queries": self._query_index and self._query_index.identity,
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

    def _refuse_collapsed(self, asked: dict[str, np.ndarray]) -> None:
        """A model fitted to all events, or asked about a new catalogue, has not been evaluated as it is served."""
        columns = self._catalogue.candidates.columns
        problem = collapse(self._queries, self._embeddings, query_inputs=asked, candidate_inputs=columns)
        if problem:
            raise RefusedError(
                f"the model is of no use and is not indexed: {problem}; the training diverged (lower the learning "
                "rate), or a tower is dead"
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


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
