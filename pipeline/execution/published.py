"""The published models of a pipeline, and the artifacts that the newest was built from."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from components.pusher import PusherParams
from dataplane.artifacts import PushedModel
from dataplane.artifacts.identity import Identity
from dataplane.artifacts.pushed_model import Push
from dataplane.errors import ConfigError, RefusedError, RunError, UnreadableDocumentError
from dataplane.errors.messages import first_problem
from dataplane.files.digests import shortened
from pipeline.execution.chosen import chosen_store
from pipeline.execution.lineage import artifact, producer
from pipeline.execution.metadata import Execution, Store
from pipeline.execution.model_data import candidate_table, stored_queries
from serving.model.descriptions import read_description, read_identity
from serving.model.version_digests import check_version
from serving.published.publishing import Publisher

TRAINED, REFRESHED = "Pusher", "RefreshPusher"
"""Nodes that publish: in a run of the pipeline, and in an index refresh."""


@dataclass(frozen=True)
class Published:
    """The published versions of a pipeline; the newest is the current one.

    Attributes:
        store: the pipeline's records.
        pusher: parameters of the newest execution of Pusher.
        publisher: publisher of the directory that Pusher published to.
        version: the newest version.
    """

    store: Store
    pusher: PusherParams
    publisher: Publisher
    version: int

    @classmethod
    def newest(cls, root: Path, pipeline: str | None) -> "Published":
        """Finds the newest published version of a pipeline.

        Args:
            root: directory of the records.
            pipeline: name of the pipeline; None if the root has only one.

        Raises:
            ConfigError: there is no such pipeline, there are several, or nothing is published.
        """
        store = chosen_store(root, pipeline)
        name = store.directory.name
        usable = (_params(store, execution) for execution in reversed(pushers(store)))
        pusher = next((params for params in usable if params is not None), None)
        if pusher is None:
            if at_work := next((run.id for run in store.runs() if run.state == "running"), None):
                raise ConfigError(
                    f"pipeline '{name}' has published nothing yet, but its run {at_work} is under way; wait for its end"
                )
            raise ConfigError(f"pipeline '{name}' has published nothing yet; run it first")
        publisher = Publisher(pusher.directory, pusher.name)
        newest = publisher.newest()
        if newest is None:
            raise ConfigError(f"pipeline '{name}' has no published version in {pusher.directory}; run it again")
        return cls(store, pusher, publisher, newest.version)

    @cached_property
    def exact(self) -> Path:
        """The newest SavedModel with exact search; a local copy if it is in an object store."""
        return self.publisher.fetch(self.version)[0]

    @cached_property
    def scann(self) -> Path:
        """The newest SavedModel with ScaNN; a local copy if it is in an object store."""
        return self.publisher.fetch(self.version)[1]

    def trained_identity(self) -> Identity:
        """Identity of the trained model behind the current version; for a refreshed index, of the model it refreshed.

        Raises:
            RunError: both models are too damaged to tell their identity.
        """
        return self.publisher.trained_identity(self.version)

    def require_whole(self) -> None:
        """Refuses a damaged current version.

        Raises:
            RefusedError: files of either model are damaged; the message names them.
        """
        damage = [f"{model.parent.name}: {text}" for model in (self.exact, self.scann) for text in check_version(model)]
        if damage:
            raise RefusedError(
                f"version {self.version} in {self.publisher.directory} is damaged: {shortened(damage)}; `run` "
                "publishes the model again, `rollback` an undamaged older version if there is one"
            )

    def pushes(self) -> dict[int, Execution]:
        """The execution that published each version; leaves out rollbacks and versions from other roots."""
        every = ((_new_version(self.store, execution), execution) for execution in pushers(self.store))
        return {version: execution for version, execution in every if version is not None}

    def stored_request(self, query_id: str) -> dict[str, Any]:
        """The request of a known query: its features and all its events as history, as far as the model uses them.

        Raises:
            ConfigError: the query is unknown.
        """
        return stored_queries(self.store, self._indexer(), [query_id], read_description(self.exact).inputs())[0]

    def query_ids(self, most: int) -> list[str]:
        """Ids of the first stored queries.

        Raises:
            ConfigError: the records of the version no longer exist.
            RunError: the stored queries are damaged or missing.
        """
        from dataplane.dataset.sequences import read_ids

        ids = read_ids(artifact(self.store, self._indexer(), "transformed_examples") / "queries")
        found: list[str] = ids.slice(0, most).to_pylist()
        return found

    def candidate_table(self) -> Path:
        """Directory of the served candidates as ingested, not checked for damage.

        Raises:
            ConfigError: the records of the version no longer exist.
            RunError: a record between the version and the table no longer exists.
        """
        return candidate_table(self.store, self._indexer())

    def _indexer(self) -> Execution:
        """The execution that exported the current version, or an equal one."""
        return producer(self.store, self.maker(), "serving_model")

    def maker(self) -> Execution:
        """The newest execution of Pusher that was given the current model; after a rollback, an older one.

        Raises:
            ConfigError: the execution no longer exists.
            RunError: the current version is too damaged to tell its identity.
        """
        identity = self.publisher.identity(self.version)
        for execution in reversed(pushers(self.store)):
            if self._identity_given(execution) == identity:
                return execution
        raise ConfigError(f"the artifacts of version {self.version} are no longer in {self.store.directory}")

    def _identity_given(self, pusher: Execution) -> Identity | None:
        """Identity of the model that an execution was given; None if neither the model nor an equal one exists."""
        try:
            there = _identity(self.store.input(pusher, "serving_model"))
            return there or _identity(artifact(self.store, pusher, "serving_model"))
        except (KeyError, RunError):
            return None

    def indexers(self) -> list[Execution]:
        """The executions that made the current model, found without the record of its publication."""
        identity = self.publisher.identity(self.version)
        every = [execution for node in self.store.nodes() for execution in self.store.executions(node)]
        made = [execution for execution in every if "serving_model" in execution.outputs]
        return [it for it in made if _identity(self.store.output(it, "serving_model")) == identity]


def _identity(serving_model: Path) -> Identity | None:
    """Identity of a pair of serving models; None if it is unreadable or missing."""
    try:
        return read_identity(serving_model / "exact")
    except RunError:
        return None


def pushers(store: Store) -> list[Execution]:
    """All executions of publishing nodes, oldest first."""
    found = [execution for node in (TRAINED, REFRESHED) for execution in store.executions(node)]
    return sorted(found, key=lambda execution: execution.id)


def newest_version(store: Store) -> int | None:
    """The newest version that runs of this root published, a rollback aside; None without one."""
    found = (_new_version(store, execution) for execution in reversed(pushers(store)))
    return next((version for version in found if version is not None), None)


def _params(store: Store, execution: Execution) -> PusherParams | None:
    """Parameters of a Pusher's execution; None if its record is invalid. Leaves out parameters of other releases."""
    known = {name: value for name, value in execution.params.items() if name in PusherParams.model_fields}
    try:
        return PusherParams.model_validate(known)
    except ValidationError as error:
        problem = f"params.{first_problem(error)}"
        where = f"{execution.node}/{execution.id}"
        store.warn(f"the record of {where} cannot be used and is treated as missing: {problem}")
        return None


def _new_version(store: Store, execution: Execution) -> int | None:
    """The version that an execution published; None if the model had been published before."""
    if damage := store.damage(execution):
        store.warn(f"{execution.node}/{execution.id} is damaged: {damage}; the version it published is unknown")
        return None
    pushed_model = PushedModel(store.output(execution, "pushed_model"))
    try:
        pushed = Push.read(pushed_model)
    except UnreadableDocumentError:
        store.warn(f"{pushed_model.path / Push.FILE} cannot be used and is treated as missing: it has no version")
        return None
    return pushed.version if pushed.new else None
