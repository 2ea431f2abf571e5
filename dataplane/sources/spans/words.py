"""The window of a run in words."""

from collections.abc import Mapping
from typing import Any


def spans_in_words(spans: Mapping[str, Any]) -> str:
    """The window that an execution of ExampleGen recorded.

    Args:
        spans: the fact `spans`: `first`, `last`, the number of `spans`, and those that were read, changed or left out.
    """
    told = f"{spans.get('first')} to {spans.get('last')}, {spans.get('spans')} spans"
    parts = [f"{len(spans[name])} {name}" for name in ("read", "changed", "missing", "empty") if spans.get(name)]
    return ", ".join([told, *parts])
