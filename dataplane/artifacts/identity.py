"""Identity of a trained model."""

from collections.abc import Mapping
from typing import TypeAlias

from dataplane.artifacts.document import JsonValue

Identity: TypeAlias = Mapping[str, JsonValue]
"""Digests and settings that both serving models of a pair share. An identity is compared, shown and stored as a whole,
with the keys of the release that exported the model."""
