"""Trainer: fits the two towers and exports them.

model/towers/         SavedModel with embed_query and embed_candidate (see models.towers.export)
model/training.json   {"steps": …, "loss": …, "validation": {…}, "curve": […], …}
model/checkpoints/    the chosen weights and the optimiser's state
model/tensorboard/    loss and validation metrics by step, in a folder for each trial
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.base import Component, ExecutionContext
from components.trainer.params import TrainerParams
from components.trainer.started import with_start
from components.trainer.unfinished import drop_damaged
from dataplane.artifacts import Model, TransformedExamples, TransformGraph
from dataplane.artifacts.model import TrainingReport, WarmStarted
from dataplane.errors import RunError

if TYPE_CHECKING:
    from components.trainer.start import Start


class Trainer(Component["Trainer.Inputs", "Trainer.Outputs", TrainerParams]):
    """Fits the model on the training events; the validation events choose when to stop."""

    @dataclass(frozen=True)
    class Inputs:
        """Training data; `reference` is the model that a final fit repeats on more events.

        `base`, with its data, is the model whose weights a warm training starts from.
        """

        transformed_examples: TransformedExamples
        transform_graph: TransformGraph
        reference: Model | None = None
        base: Model | None = None
        base_graph: TransformGraph | None = None
        base_examples: TransformedExamples | None = None

    @dataclass(frozen=True)
    class Outputs:
        """The model."""

        model: Model

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """See `Component.execute`.

        Raises:
            DataError: there is no training event, or no validation event that could be recommended.
            RefusedError: too many test queries have nothing left to measure, or the base cannot be used.
            DivergedError: the loss, an embedding or a weight became NaN or infinite.
            RunError: a final fit has no reference.
        """
        reference = TrainingReport.read(inputs.reference) if inputs.reference is not None else None
        if self.params.final and reference is None:
            raise RunError("a final fit needs input 'reference', the model whose number of steps it repeats")
        start, started = self._start(inputs)
        reference = reference if self.params.final else None
        if start is not None and not start.suits(reference):
            start, started = None, WarmStarted(trainings=0, cold="the model whose steps it repeats did not start there")
        train: Callable[..., TrainingReport]
        if self.params.training.distribution == "multi_worker":
            from components.trainer.separate_process import train_apart as train
        else:
            from components.trainer.executor import train

        if context.resume is not None:
            drop_damaged(context.resume, context.warn)
        with context.scratch_directory() as scratch:
            report = train(
                examples=inputs.transformed_examples,
                graph=inputs.transform_graph,
                output=outputs.model,
                params=self.params,
                reference=reference,
                resume=context.resume,
                progress=context.progress,
                scratch=scratch,
                **({} if start is None else {"start": start}),
            )
        report = with_start(report, started)
        report.write(outputs.model)
        facts = ("recipe", "loss", "steps", "milliseconds_per_step", "parameters", "validation", "notes")
        values = report.model_dump(mode="json")
        return {name: values[name] for name in facts}

    def _start(self, inputs: Inputs) -> "tuple[Start | None, WarmStarted | None]":
        """Where to start from, and how the report describes it.

        Raises:
            RefusedError: the base cannot be used.
        """
        if not self.params.training.warm_start.is_on:
            return None, None
        from components.trainer.base import Artifacts, open_start

        base = None
        if inputs.base is not None:
            if inputs.base_graph is None or inputs.base_examples is None:
                raise RunError("input 'base' needs 'base_graph' and 'base_examples', the data that it was trained on")
            base = Artifacts(inputs.base, inputs.base_graph, inputs.base_examples)
        return open_start(base, (inputs.transformed_examples, inputs.transform_graph), self.params)
