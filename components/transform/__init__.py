"""Transform: splits the events, learns the vocabularies, encodes everything and saves the encoder."""

from components.transform.component import Transform
from components.transform.params import MAX_EVENTS_PER_QUERY, TransformParams

__all__ = ["MAX_EVENTS_PER_QUERY", "Transform", "TransformParams"]
