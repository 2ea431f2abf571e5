"""Asks the models that a run made, published or not."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dataplane.errors import RunError
from pipeline.config.settings import display_column
from pipeline.execution.lineage import undamaged
from pipeline.execution.metadata import Execution, Run, Store
from pipeline.execution.model_data import INDEXERS, candidate_table, stored_queries
from pipeline.reporting.titles import titles_if_any
from serving.model.ask import Answer, Question, ask_batches, unpadded
from serving.model.descriptions import read_description
from serving.model.requests import complete_request

_SECONDS = 600.0


@dataclass(frozen=True)
class RunModels:
    """The two models that a run made.

    Attributes:
        store: the records of the pipeline.
        run: the record of the run.
        indexer: the execution that exported the models.
    """

    store: Store
    run: Run
    indexer: Execution

    @classmethod
    def of(cls, store: Store, run: Run) -> "RunModels":
        """Finds the models.

        Raises:
            RunError: the run made none, or they are damaged.
        """
        made = {step.node: step.execution for step in run.steps}
        found = (store.execution(node, made[node]) for node in INDEXERS if made.get(node))
        indexer = next((execution for execution in found if execution is not None), None)
        if indexer is None:
            raise RunError(f"run {run.id} has no model to ask; it is {run.state}")
        return cls(store, run, undamaged(store, indexer))

    def model(self, *, exact: bool) -> Path:
        """Directory of the exact or the ScaNN model."""
        return self.store.output(self.indexer, "serving_model") / ("exact" if exact else "scann")

    def stored(self, query_ids: Sequence[str]) -> list[dict[str, Any]]:
        """The requests of known queries, as far as the models use them.

        Raises:
            ConfigError: a query is unknown.
        """
        return stored_queries(self.store, self.indexer, query_ids, read_description(self.model(exact=True)).inputs())

    def recommend(self, requests: Sequence[Mapping[str, Any]], *, exact: bool = False) -> list[Answer]:
        """The recommendations for each request.

        Raises:
            ConfigError: a request does not fit the model.
            RunError: the model cannot be loaded or does not answer.
        """
        model = self.model(exact=exact)
        inputs = read_description(model).inputs()
        batch = [complete_request(inputs, request) for request in requests]
        (answer,) = ask_batches(model, [batch], timeout=_SECONDS).answers
        return [unpadded(*row) for row in zip(answer.candidate_ids, answer.scores, strict=True)]

    def similar(self, candidate_id: str, *, exact: bool = False) -> Answer:
        """The candidates whose embeddings are most like that of one candidate, which is left out.

        Raises:
            RunError: the model cannot be loaded or does not answer.
        """
        model, signature = self.model(exact=exact), "similar_candidates"
        request = complete_request(read_description(model).inputs(signature), {"candidate_id": candidate_id})
        (reply,) = ask_batches(model, [], timeout=_SECONDS, questions=[Question(signature, [request])]).replies
        return unpadded(reply["candidate_ids"][0], reply["scores"][0])

    def titles(self, ids: Collection[str]) -> dict[str, str]:
        """Titles by candidate id; candidates without a title are left out."""
        find = partial(candidate_table, self.store, self.indexer)
        return titles_if_any(find, ids, display_column(self.run.settings))
