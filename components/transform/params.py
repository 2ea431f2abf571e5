"""Parameters of Transform."""

from pydantic import Field

from components.base import Params
from models.spec.examples_config import EventWeights
from models.spec.features import FeatureSpec
from models.spec.split_config import SplitConfig

MAX_EVENTS_PER_QUERY = 100_000


class TransformParams(Params):
    """How the events are split and the features encoded."""

    split: SplitConfig
    """Assigns events to training, validation and test."""
    features: FeatureSpec = FeatureSpec()
    """The features and their encodings."""
    seed: int = Field(default=42, ge=0, lt=2**31)
    """Seed by which the methods `ratio` and `files` choose the rows or queries that they hold out."""
    event_weights: EventWeights | None = None
    """Weights of events by kind, such as view, cart and purchase."""
    final: bool = False
    """Makes every event training data, for the final fit that is pushed."""
    max_events_per_query: int = Field(default=MAX_EVENTS_PER_QUERY, ge=3)
    """Number of latest events that are kept of each query. `metadata.json` counts the others."""
    shards: int | None = Field(default=None, ge=1, le=4096)
    """Number of parts into which the events are shuffled; a worker holds one part in memory. The default is about one
    per million events. It changes the speed, never the results."""
