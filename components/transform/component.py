"""Transform: splits the events, learns the vocabularies, encodes everything and saves the encoder."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.base import Component, ExecutionContext
from components.transform.params import TransformParams
from dataplane.artifacts import Examples, Schema, TransformedExamples, TransformGraph
from models.spec.split_config import FilesSplit, LeaveLastNSplit, RatioSplit, SplitConfig, TimeSplit

__all__ = [
    "FilesSplit",
    "LeaveLastNSplit",
    "RatioSplit",
    "SplitConfig",
    "TimeSplit",
    "Transform",
    "TransformParams",
]


class Transform(Component["Transform.Inputs", "Transform.Outputs", TransformParams]):
    """Encodes the examples: ordered events of each query, entities, and the SavedModel that encodes features."""

    @dataclass(frozen=True)
    class Inputs:
        """Clean examples and their schema."""

        examples: Examples
        schema: Schema

    @dataclass(frozen=True)
    class Outputs:
        """The encoder, and the examples it has encoded."""

        transform_graph: TransformGraph
        transformed_examples: TransformedExamples

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Writes both outputs and returns the numbers of events, queries and candidates."""
        from components.transform.executor import Transformation

        return Transformation(
            params=self.params,
            examples=inputs.examples,
            transform_graph=outputs.transform_graph,
            transformed=outputs.transformed_examples,
            context=context,
        ).run()
