"""Finds the model that the trainings of a run start from (`training.warm_start`)."""

from dataclasses import dataclass, field
from typing import TypedDict

from dataplane.artifacts import Model, TransformedExamples, TransformGraph
from dataplane.errors import ConfigError, RunError
from models.spec.warm_start_config import WarmStart
from pipeline.execution.chosen import chosen_run
from pipeline.execution.dag import OutputRef, Pipeline
from pipeline.execution.lineage import output_read, producer
from pipeline.execution.metadata import Execution, Store
from pipeline.execution.settled import given_as
from serving.published.published_versions import PublishedVersions

_GONE = (
    "training.warm_start: the records of the served model's training are gone: {reason}. Set warm_start.on_mismatch: "
    "cold to train from random weights then, or name another base (`run:ID`)"
)


@dataclass(frozen=True)
class BaseModel:
    """A trained model that others start from, found when a run begins.

    Attributes:
        store: the pipeline's records.
        trained: the execution that fitted it, and is the base of a final fit.
        validated: the execution that fitted the model of the same run that was measured, the base of other trainings:
            a final fit has seen the held-out events.
        given: the executions that warm trainings read, by the names under which `inputs` declares them.
    """

    store: Store
    trained: Execution
    validated: Execution
    given: dict[str, Execution] = field(default_factory=dict)

    def inputs(self, pipeline: Pipeline, *, is_final: bool) -> "BaseInputs":
        """Declares the artifacts of the base as given, and returns the inputs of a warm training."""
        fitted = self.trained if is_final else self.validated
        graph, examples = (producer(self.store, fitted, name) for name in ("transform_graph", "transformed_examples"))
        self.given.update({given_as(execution): execution for execution in (fitted, graph, examples)})
        return BaseInputs(
            base=pipeline.given(given_as(fitted), "model", Model),
            base_graph=pipeline.given(given_as(graph), output_read(fitted, "transform_graph"), TransformGraph),
            base_examples=pipeline.given(
                given_as(examples), output_read(fitted, "transformed_examples"), TransformedExamples
            ),
        )


class BaseInputs(TypedDict):
    """Inputs of a Trainer that belong to the model it starts from."""

    base: OutputRef | None
    base_graph: OutputRef | None
    base_examples: OutputRef | None


NO_BASE = BaseInputs(base=None, base_graph=None, base_examples=None)


def find_base(settings: WarmStart, store: Store, *, directory: str) -> BaseModel | None:
    """Finds the base of the trainings of a run; None if they are cold because nothing is published yet.

    Args:
        settings: which model is the base.
        store: the pipeline's records.
        directory: directory of the published models.

    Raises:
        ConfigError: there is no such run, or it trained no model.
        RunError: the records of the base are gone, and `on_mismatch` is `refuse`.
    """
    if not settings.is_on:
        return None
    try:
        fitted = _of_run(store, settings.run_id) if settings.run_id else _published(store, directory)
        if fitted is None:
            return None
        measured = producer(store, fitted, "reference") if "reference" in fitted.inputs else fitted
        for execution in (fitted, measured):
            for read in ("transform_graph", "transformed_examples"):
                producer(store, execution, read)
    except RunError as error:
        if settings.on_mismatch == "refuse":
            raise RunError(_GONE.format(reason=str(error).partition("; ")[0])) from error
        store.warn(f"training.warm_start: the training is cold: {error}")
        return None
    return BaseModel(store, fitted, measured)


def _of_run(store: Store, wanted: str) -> Execution:
    """The newest model that a run trained.

    Raises:
        ConfigError: there is no such run, or it trained no model.
    """
    steps = [step for step in chosen_run(store, wanted).steps if step.state in ("run", "cached")]
    for step in reversed(steps):
        execution = store.execution(step.node, step.execution)
        if execution is not None and execution.component == "Trainer":
            return execution
    raise ConfigError(f"training.warm_start: run {wanted} trained no model whose record is still there")


def _published(store: Store, directory: str) -> Execution | None:
    """The training of the served model; None if nothing is published.

    Raises:
        RunError: its records are gone.
    """
    from pipeline.execution.published import Published  # loads Arrow, which a configuration does not need

    root, name = store.directory.parent, store.directory.name
    if PublishedVersions(directory, name).newest() is None:
        return None
    try:
        maker = Published.newest(root, name).maker()
    except ConfigError as error:
        raise RunError(str(error)) from error
    return producer(store, producer(store, maker, "serving_model"), "model")
