"""Trainer: fits the two towers and exports them.

model/towers/         SavedModel with embed_query and embed_candidate (see models.towers.export)
model/training.json   {"steps": …, "loss": …, "validation": {…}, "curve": […], …}
model/checkpoints/    the chosen weights and the optimiser's state
model/tensorboard/    loss and validation metrics by step, in a folder for each trial
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from components.base import Component, ExecutionContext
from components.trainer.params import TrainerParams
from components.trainer.unfinished import drop_damaged
from dataplane.artifacts import Model, TransformedExamples, TransformGraph
from dataplane.artifacts.model import TrainingReport
from dataplane.errors import RunError


class Trainer(Component["Trainer.Inputs", "Trainer.Outputs", TrainerParams]):
    """Fits the model on the training events; the validation events choose when to stop."""

    @dataclass(frozen=True)
    class Inputs:
        """Training data; `reference` is the model that a final fit repeats on more events."""

        transformed_examples: TransformedExamples
        transform_graph: TransformGraph
        reference: Model | None = None

    @dataclass(frozen=True)
    class Outputs:
        """The model."""

        model: Model

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """See `Component.execute`.

        Raises:
            DataError: there is no training event, or no validation event that could be recommended.
            RefusedError: too many test queries have nothing left to measure.
            DivergedError: the loss, an embedding or a weight became NaN or infinite.
            RunError: a final fit has no reference.
        """
        reference = TrainingReport.read(inputs.reference) if inputs.reference is not None else None
        if self.params.final and reference is None:
            raise RunError("a final fit needs input 'reference', the model whose number of steps it repeats")
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
                reference=reference if self.params.final else None,
                resume=context.resume,
                progress=context.progress,
                scratch=scratch,
            )
        report.write(outputs.model)
        facts = ("recipe", "loss", "steps", "milliseconds_per_step", "parameters", "validation", "notes")
        values = report.model_dump(mode="json")
        return {name: values[name] for name in facts}
