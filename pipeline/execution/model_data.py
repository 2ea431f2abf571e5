"""Looks up the data behind a model: its queries and its candidates."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dataplane.artifacts import Examples, TransformedExamples, TransformGraph
from dataplane.artifacts.transform_graph import read_spec
from pipeline.execution.lineage import artifact, producer
from pipeline.execution.metadata import Execution, Store
from serving.model.descriptions import Inputs

ATTRIBUTES = "RefreshAttributeGen"
"""Node that gives the models of an index new attributes."""
INDEXERS = (ATTRIBUTES, "RefreshScannIndexer", "ScannIndexer")
"""Nodes that make serving models: in a refresh of the attributes or of the index, and in a run of the pipeline."""


def stored_queries(store: Store, indexer: Execution, query_ids: Sequence[str], inputs: Inputs) -> list[dict[str, Any]]:
    """The requests of known queries: features, and all events as history, as far as the model uses them.

    Args:
        store: the records of the pipeline.
        indexer: the execution that exported the model.
        query_ids: ids of the queries.
        inputs: the inputs of the model.

    Raises:
        ConfigError: a query is unknown.
        RunError: the artifacts behind the model are damaged or missing.
    """
    from dataplane.dataset.sequences import read_dataset
    from serving.model.requests import stored_requests

    transformed = TransformedExamples(artifact(store, indexer, "transformed_examples"))
    graph = TransformGraph(artifact(store, indexer, "transform_graph"))
    examples = Examples(artifact(store, producer(store, indexer, "transformed_examples"), "examples"))
    features = read_spec(graph).features
    requests = stored_requests(examples, read_dataset(transformed), features, query_ids)
    return [{name: value for name, value in request.items() if name in inputs} for request in requests]


def candidate_table(store: Store, indexer: Execution) -> Path:
    """Directory of a model's candidates as ingested, not checked for damage.

    Args:
        store: the records of the pipeline.
        indexer: the execution that exported the model.

    Raises:
        RunError: a record between the model and the table no longer exists.
    """
    if indexer.node == ATTRIBUTES:
        return store.output(indexer, "examples") / "candidates"
    if "catalogue" in indexer.inputs:  # of a refreshed index
        return store.output(producer(store, indexer, "catalogue"), "examples") / "candidates"
    transform = producer(store, indexer, "transformed_examples")
    return store.output(producer(store, transform, "examples"), "examples") / "candidates"
