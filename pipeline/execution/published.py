"""The published models of a pipeline, and the artifacts the newest was made of."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.pusher import PusherParams
from dataplane.artifacts import Examples, PushedModel, TransformedExamples, TransformGraph
from dataplane.artifacts.identity import Identity
from dataplane.artifacts.pushed_model import Push
from dataplane.artifacts.transform_graph import read_spec
from dataplane.errors import ConfigError, RefusedError, RunError, UnreadableDocumentError
from dataplane.errors.messages import first_problem
from dataplane.files.digests import shortened
from pipeline.execution.lineage import artifact, producer
from pipeline.execution.metadata import Execution, Store, no_such_pipeline, pipelines
from serving.model.descriptions import read_description, read_identity
from serving.model.version_digests import check_version
from serving.published.publishing import Publisher

TRAINED, REFRESHED = "Pusher", "RefreshPusher"
"""Nodes that publish: of a run of the whole pipeline, and of a refresh of its index."""


@dataclass(frozen=True)
class Published:
    """What a pipeline has published, and the version that stands.

    Attributes:
        store: the pipeline's records.
        pusher: parameters of the newest execution of Pusher.
        publisher: of the directory it published to.
        version: the newest.
    """

    store: Store
    pusher: PusherParams
    publisher: Publisher
    version: int

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
            raise ConfigError(no_such_pipeline(root, name))
        store = Store(root, name)
        usable = (_params(store, execution) for execution in reversed(_pushers(store)))
        pusher = next((params for params in usable if params is not None), None)
        if pusher is None:
            raise ConfigError(f"pipeline '{name}' has published nothing yet; run it first")
        publisher = Publisher(pusher.directory, pusher.name)
        newest = publisher.newest()
        if newest is None:
            raise ConfigError(f"pipeline '{name}' has no published version in {pusher.directory}; run it again")
        return cls(store, pusher, publisher, newest.version)

    @cached_property
    def exact(self) -> Path:
        """The newest SavedModel with exact search; a copy of it if it is in an object store."""
        return self.publisher.fetch(self.version)[0]

    @cached_property
    def scann(self) -> Path:
        """The newest SavedModel with ScaNN; a copy of it if it is in an object store."""
        return self.publisher.fetch(self.version)[1]

    def trained_identity(self) -> Identity:
        """Identity of the model that stands as its training published it: of a refreshed index that of its model.

        Raises:
            RunError: both of its models are so damaged that it is not known which it is.
        """
        return self.publisher.trained_identity(self.version)

    def require_whole(self) -> None:
        """Refuses a damaged version that stands.

        Raises:
            RefusedError: some of the files of either model, which it names, are not what was written.
        """
        damage = [f"{model.parent.name}: {text}" for model in (self.exact, self.scann) for text in check_version(model)]
        if damage:
            raise RefusedError(
                f"version {self.version} in {self.publisher.directory} is damaged: {shortened(damage)}; `run` "
                "publishes the model anew, `rollback` an older one where there is a whole one"
            )

    def pushes(self) -> dict[int, Execution]:
        """The execution that published each version; rollbacks and other roots' versions are not there."""
        every = ((_new_version(self.store, execution), execution) for execution in _pushers(self.store))
        return {version: execution for version, execution in every if version is not None}

    def stored_request(self, query_id: str) -> dict[str, Any]:
        """The request of a known query: what the model takes of its features and of all its events as history.

        Raises:
            ConfigError: the query is not known.
        """
        from dataplane.dataset.sequences import read_dataset
        from serving.model.requests import stored_requests

        transformed = TransformedExamples(self._lineage("serving_model", "transformed_examples"))
        graph = TransformGraph(self._lineage("serving_model", "transform_graph"))
        examples = Examples(self._lineage("serving_model", "transformed_examples", "examples"))
        spec = read_spec(graph)
        request = stored_requests(examples, read_dataset(transformed), spec.features, [query_id])[0]
        inputs = read_description(self.exact).inputs()
        return {name: value for name, value in request.items() if name in inputs}

    def _lineage(self, *inputs: str) -> Path:
        """Follows inputs upstream from what published the model that stands: the artifact its input's … input was."""
        execution = self.maker()
        for name in inputs[:-1]:
            execution = producer(self.store, execution, name)
        return artifact(self.store, execution, inputs[-1])

    def maker(self) -> Execution:
        """The newest execution that was given the model that stands; after a rollback not the newest that published.

        Raises:
            ConfigError: it is not there any more.
            RunError: the model that stands is so damaged that it is not known which it is.
        """
        identity = self.publisher.identity(self.version)
        for execution in reversed(_pushers(self.store)):
            if self._identity_given(execution) == identity:
                return execution
        raise ConfigError(f"what version {self.version} was made of is not in {self.store.directory} any more")

    def _identity_given(self, pusher: Execution) -> Identity | None:
        """Identity of the model that an execution was given; None if neither it nor an equal one is there."""
        try:
            there = _identity(self.store.input(pusher, "serving_model"))
            return there or _identity(artifact(self.store, pusher, "serving_model"))
        except (KeyError, RunError):
            return None

    def indexers(self) -> list[Execution]:
        """The executions that made the model that stands, found without the record of its publication."""
        identity = self.publisher.identity(self.version)
        every = [execution for node in self.store.nodes() for execution in self.store.executions(node)]
        made = [execution for execution in every if "serving_model" in execution.outputs]
        return [it for it in made if _identity(self.store.output(it, "serving_model")) == identity]


def _identity(serving_model: Path) -> Identity | None:
    """Identity of a pair of serving models; None if they tell none, or are gone."""
    try:
        return read_identity(serving_model / "exact")
    except RunError:
        return None


def _pushers(store: Store) -> list[Execution]:
    """All executions that published, oldest first."""
    found = [execution for node in (TRAINED, REFRESHED) for execution in store.executions(node)]
    return sorted(found, key=lambda execution: execution.id)


def _params(store: Store, execution: Execution) -> PusherParams | None:
    """Where an execution published to; None if its record does not tell. Parameters of other releases are left out."""
    known = {name: value for name, value in execution.params.items() if name in PusherParams.model_fields}
    try:
        return PusherParams.model_validate(known)
    except ValidationError as error:
        told = f"params.{first_problem(error)}"
        store.warn(f"the record of {execution.node}/{execution.id} cannot be used and counts as not there: {told}")
        return None


def _new_version(store: Store, execution: Execution) -> int | None:
    """The version that an execution published; None if the model had been published before."""
    if damage := store.damage(execution):
        store.warn(f"{execution.node}/{execution.id} is damaged: {damage}; what it published is not known")
        return None
    pushed_model = PushedModel(store.output(execution, "pushed_model"))
    try:
        pushed = Push.read(pushed_model)
    except UnreadableDocumentError:
        store.warn(f"{pushed_model.path / Push.FILE} cannot be used and counts as not there: it tells no version")
        return None
    return pushed.version if pushed.new else None
