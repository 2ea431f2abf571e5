"""The newest published model of a pipeline, and the artifacts it was made of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.artifacts import Examples, PushedModel, TransformedExamples, TransformGraph
from components.errors import ConfigError
from pipeline.metadata import Execution, Store, pipelines


@dataclass(frozen=True)
class Published:
    """What the newest execution of Pusher published.

    Attributes:
        store: the pipeline's records.
        execution: the Pusher's.
        exact: SavedModel with exact search.
        scann: SavedModel with ScaNN.
    """

    store: Store
    execution: Execution
    exact: Path
    scann: Path

    @classmethod
    def newest(cls, root: Path, pipeline: str | None) -> "Published":
        """Finds it.

        Args:
            root: where the records are.
            pipeline: name of the pipeline; None if there is only one.

        Raises:
            ConfigError: there is no such pipeline, several to choose from, or nothing was published.
        """
        names = pipelines(root)
        if pipeline is None and len(names) != 1:
            raise ConfigError(f"which pipeline? In {root} there is {', '.join(names) or 'none'}")
        name = pipeline or names[0]
        if name not in names:
            raise ConfigError(f"no pipeline '{name}' in {root}; there is {', '.join(names) or 'none'}")
        store = Store(root, name)
        execution = store.latest("Pusher")
        if execution is None:
            raise ConfigError(f"pipeline '{name}' has published nothing yet; run it first")
        pushed = PushedModel(store.output(execution, "pushed_model")).read_json("pushed.json")
        return cls(store, execution, Path(pushed["exact"]), Path(pushed["scann"]))

    def stored_request(self, query_id: str) -> dict[str, Any]:
        """The request of a known query: what the model takes of its features and of all its events as history.

        Raises:
            ConfigError: the query is not known.
        """
        from components.sequences import read_dataset
        from components.serving.publishing import read_description, signature_inputs
        from components.serving.requests import stored_requests
        from models.features import EncodedSpec

        transformed = TransformedExamples(self._lineage("serving_model", "transformed_examples"))
        graph = TransformGraph(self._lineage("serving_model", "transform_graph"))
        examples = Examples(self._lineage("serving_model", "transformed_examples", "examples"))
        spec = EncodedSpec.model_validate(graph.read_json("spec.json"))
        request = stored_requests(examples, read_dataset(transformed), spec.features, [query_id])[0]
        inputs = signature_inputs(read_description(self.exact))
        return {name: value for name, value in request.items() if name in inputs}

    def _lineage(self, *inputs: str) -> Path:
        """Follows inputs upstream from the Pusher: the artifact its input's … input was."""
        execution = self.execution
        for name in inputs[:-1]:
            execution = self.store.producer(execution, name)
        return self.store.input(execution, inputs[-1])
