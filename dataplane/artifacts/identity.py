"""What tells one trained model from another."""

from collections.abc import Mapping
from typing import TypeAlias

from dataplane.artifacts.document import JsonValue

Identity: TypeAlias = Mapping[str, JsonValue]
"""Digests and settings that both serving models of a pair share. Compared, shown and kept as a whole, with whatever
keys the release that exported the model gave it."""
