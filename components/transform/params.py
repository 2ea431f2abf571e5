"""What configures Transform."""

from pydantic import Field

from components.base import Params
from models.spec.examples_config import EventWeights
from models.spec.features import FeatureSpec
from models.spec.split_config import SplitConfig

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
