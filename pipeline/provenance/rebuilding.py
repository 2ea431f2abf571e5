"""Builds the pipeline of a recorded run from the records of its executions, without the configuration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias, cast, get_args

from pydantic import ValidationError

from components.attribute_gen import AttributeGen, AttributeGenParams
from components.base import Component
from components.bulk_inferrer import BulkInferrer
from components.catalogue_gen import CatalogueGen, CatalogueGenParams
from components.embedding_exporter import EmbeddingExporter
from components.evaluator import Evaluator
from components.example_gen import ExampleGen, ExampleGenParams
from components.example_validator import ExampleValidator, GivenData
from components.infra_validator import InfraValidator
from components.pusher import Pusher
from components.scann_indexer import ScannIndexer
from components.schema_gen import SchemaGen
from components.statistics_gen import StatisticsGen
from components.trainer import BASE_INPUTS, Trainer, TrainerParams
from components.transform import Transform
from dataplane.artifacts import Blessing
from dataplane.artifacts.blessing import Verdict
from dataplane.errors import ConfigError, RunError
from dataplane.errors.messages import first_problem, listed
from models.spec.strict import Strict
from pipeline.config.config import SERVING
from pipeline.execution.dag import OutputRef, Pipeline
from pipeline.execution.earlier_data import earlier
from pipeline.execution.lineage import producer
from pipeline.execution.metadata import Execution, Run, Store
from pipeline.execution.published import REFRESHED, TRAINED
from pipeline.execution.settled import given_as
from serving.published.published_versions import PublishedVersions
from serving.published.versions import Versions

_CLASSES: Mapping[str, type[Component[Any, Any, Any]]] = {
    kind.__name__: kind
    for kind in (
        AttributeGen, BulkInferrer, CatalogueGen, EmbeddingExporter, Evaluator, ExampleGen, ExampleValidator,
        InfraValidator, ScannIndexer, SchemaGen, StatisticsGen, Trainer, Transform,
    )
}  # fmt: skip
LEFT_OUT = Pusher.__name__
"""The component that publishes; it is not repeated."""

Make: TypeAlias = Callable[[Execution], Component[Any, Any, Any]]


@dataclass(frozen=True)
class Rebuilt:
    """The steps of a run, ready to be repeated.

    Attributes:
        pipeline: the steps.
        recorded: the execution of each step in the run, by node, in the order of the steps.
        given: finished executions whose outputs the steps read, by node; those of other runs as `given_as` names them.
        left_out: steps that cannot be repeated, by node, with the reason.
    """

    pipeline: Pipeline
    recorded: dict[str, Execution] = field(default_factory=dict)
    given: dict[str, Execution] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def rebuild(store: Store, run: Run, make: Make, start: str = "") -> Rebuilt:
    """Connects the finished steps of a run as they were.

    Args:
        store: the pipeline's records.
        run: the run.
        make: makes the component of a recorded execution.
        start: the first step to repeat; the artifacts of earlier ones are taken as they are.

    Raises:
        ConfigError: the run has no step `start`, or no finished step.
        RunError: a record is missing, or another release recorded parameters that this one does not know.
    """
    steps = [step for step in run.steps if step.state in ("run", "cached")]
    names = [step.node for step in steps]
    if start and start not in names:
        raise ConfigError(f"--from {start}: run {run.id} has no such finished step; it has {listed(names) or 'none'}")
    if not steps:
        raise ConfigError(f"run {run.id} has no finished step, so there is nothing to compare with")
    rebuilt = Rebuilt(Pipeline(store.directory.name))
    for step in steps[names.index(start) if start else 0 :]:
        execution = store.execution(step.node, step.execution)
        if execution is None:
            raise RunError(f"the record of {step.node}/{step.execution} is missing, so the run cannot be repeated")
        if execution.component == LEFT_OUT:
            rebuilt.left_out[step.node] = "publishes, so it is not repeated"
            continue
        inputs: dict[str, Any] = {name: _input(store, rebuilt, execution, name, make) for name in execution.inputs}
        rebuilt.pipeline.add(make(execution), node_id=step.node, **inputs)
        rebuilt.recorded[step.node] = execution
    return rebuilt


def _input(store: Store, rebuilt: Rebuilt, execution: Execution, name: str, make: Make) -> OutputRef:
    node, _, output = execution.inputs[name].split("/")
    if node in rebuilt.recorded and name not in BASE_INPUTS:
        return OutputRef(node, output)
    made = producer(store, execution, name)
    given = given_as(made) if name in BASE_INPUTS else node
    rebuilt.given[given] = made
    return rebuilt.pipeline.given(given, output, make(made).output_types()[output])


@dataclass(frozen=True)
class Remake:
    """Makes components with the recorded parameters.

    Attributes:
        store: the pipeline's records.
        run: the run.
        base_dir: directory from which relative paths of sources start; as in the run if None.
    """

    store: Store
    run: Run
    base_dir: Path | None = None

    def __call__(self, execution: Execution) -> Component[Any, Any, Any]:
        """Makes the component of an execution.

        Raises:
            RunError: this release has no such component, or does not know its parameters.
        """
        kind = _CLASSES.get(execution.component)
        if kind is None:
            raise RunError(f"this release has no component {execution.component}; use the release that made the run")
        params = self._params(kind, execution)
        if isinstance(params, TrainerParams) and params.training.distribution == "multi_worker":
            raise RunError(f"{execution.node} trained on several machines, which this command does not start")
        if isinstance(params, ExampleGenParams | CatalogueGenParams | AttributeGenParams):
            base_dir = self.base_dir or Path(self.run.base_dir or Path(self.run.config).parent)
            params = params.model_copy(update={"base_dir": base_dir})
        if kind is ExampleValidator:
            return ExampleValidator(params, self._earlier(execution), accepted=execution.facts.get("accepted", ""))
        return Evaluator(params, self._published(execution)) if kind is Evaluator else kind(params)

    @staticmethod
    def _params(kind: type[Component[Any, Any, Any]], execution: Execution) -> Any:
        _, _, params_kind = get_args(kind.__orig_bases__[0])  # type: ignore[attr-defined]
        assert issubclass(params_kind, Strict)
        try:
            return params_kind.model_validate(execution.params)
        except ValidationError as error:
            raise RunError(
                f"this release does not understand the parameters of {execution.node}/{execution.id}: "
                f"{first_problem(error)}; use the release that made the run"
            ) from None

    def _earlier(self, validator: Execution) -> GivenData:
        """The data that the ExampleValidator compared with, as far as they are kept, and the moment when it did."""
        compared = {}
        for name, place in validator.facts.get("compared", {}).items():
            execution = self.store.execution(*place.split("/"))
            if execution is not None and (found := earlier(self.store, name, execution)) is not None:
                compared[name] = found
        return GivenData(compared, datetime.fromisoformat(validator.started))

    def _published(self, evaluator: Execution) -> PublishedVersions:
        """The versions that were published when the Evaluator compared."""
        compared = Verdict.read(Blessing(self.store.output(evaluator, "blessing"))).served.version
        pushes = [self.store.latest(node) for node in (TRAINED, REFRESHED)]
        directory = next((push.params.get("directory") for push in pushes if push), None)
        name = self.store.directory.name
        return VersionsUntil(directory or self.store.directory.parent / SERVING, name, compared or 0)


class VersionsUntil(PublishedVersions):
    """The published versions as they were when one of them was the newest.

    Args:
        directory: directory of the models.
        name: name of the models.
        last: the newest version; 0 if there was none.
    """

    def __init__(self, directory: Path | str, name: str, last: int) -> None:
        super().__init__(directory, name)
        self.last = last
        self.versions_of = cast(Versions, _Until(self.versions_of, last))

    @property
    def is_gone(self) -> bool:
        """Whether the newest version is no longer published."""
        newest = self.newest()
        return self.last != 0 and (newest is None or newest.version != self.last)


@dataclass(frozen=True)
class _Until:
    """The versions of models up to a number."""

    versions: Versions
    last: int

    def numbers(self, model: str) -> set[int]:
        """See `Versions`."""
        return {number for number in self.versions.numbers(model) if number <= self.last}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.versions, name)
