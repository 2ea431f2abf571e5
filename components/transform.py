"""Transform: splits the events, learns the vocabularies, encodes everything and saves the encoder."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from components.artifacts import Examples, Schema, TransformedExamples, TransformGraph
from components.base import Component, ExecutionContext, Params
from components.split_config import FilesSplit, LeaveLastNSplit, RatioSplit, SplitConfig, TimeSplit
from models.examples_config import EventWeights
from models.features import FeatureSpec

__all__ = [
    "FilesSplit",
    "LeaveLastNSplit",
    "RatioSplit",
    "SplitConfig",
    "TimeSplit",
    "Transform",
    "TransformParams",
]


MAX_EVENTS_PER_QUERY = 100_000


class TransformParams(Params):
    """What Transform makes of the examples."""

    split: SplitConfig
    """Which events are training, validation and test."""
    features: FeatureSpec = FeatureSpec()
    """What is encoded, and how."""
    seed: int = Field(default=42, ge=0, lt=2**31)
    """Decides which rows or queries the methods `ratio` and `files` hold out."""
    event_weights: EventWeights | None = None
    """Weights of events by what kind of action they are."""
    final: bool = False
    """Every event is training data, for the fit that is pushed."""
    max_events_per_query: int = Field(default=MAX_EVENTS_PER_QUERY, ge=3)
    """Events of one query that are kept, the latest; what is left out is told in `metadata.json`."""
    shards: int | None = Field(default=None, ge=1, le=4096)
    """Parts the events are shuffled into, each of which a worker holds in memory; about one per million events if
    absent. Changes speed, never results."""


class Transform(Component["Transform.Inputs", "Transform.Outputs", TransformParams]):
    """Examples to integer-encoded events per query in order, entities, and the SavedModel that encoded them."""

    @dataclass(frozen=True)
    class Inputs:
        """Clean examples and their schema."""

        examples: Examples
        schema: Schema

    @dataclass(frozen=True)
    class Outputs:
        """The encoder and what it made of the examples."""

        transform_graph: TransformGraph
        transformed_examples: TransformedExamples

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Writes both outputs; returns the counts of the splits, queries and candidates."""
        from components.transformation.executor import Transformation

        return Transformation(
            params=self.params,
            examples=inputs.examples,
            transform_graph=outputs.transform_graph,
            transformed=outputs.transformed_examples,
            context=context,
        ).run()
