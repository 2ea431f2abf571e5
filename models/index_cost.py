"""What a search costs, by a model instead of a clock: the same settings cost the same on every machine and day.

Microseconds for one query on one core; fitted to measurements with AVX2 on 5,000 to 400,000 candidates. What matters
is that the order of settings is right: it chooses among them.
"""

import math

from models.index import TreeSettings

_NS_TREE = 60_000.0  # a call
_NS_LEAF_VALUE = 0.05  # one dimension of one leaf's centre
_NS_CODE = 0.055  # one code of 4 bits of a candidate in a leaf that is looked into
_NS_REORDERED = 60.0  # one candidate scored again: its vector is fetched from anywhere in memory
_NS_REORDERED_VALUE = 0.4  # one dimension of it
_NS_EXACT = 20_000.0  # a call
_NS_EXACT_CANDIDATE = 1.0  # one score that is compared
_NS_EXACT_VALUE = 0.3  # one dimension of one candidate


def tree_cost(settings: TreeSettings, *, candidates: int, dimension: int) -> float:
    """Microseconds of one query's search in a tree."""
    looked_into = candidates * settings.leaves_to_search / settings.leaves
    return 1e-3 * (
        _NS_TREE
        + _NS_LEAF_VALUE * settings.leaves * dimension
        + _NS_CODE * looked_into * math.ceil(dimension / settings.dimensions_per_block)
        + settings.reorder * (_NS_REORDERED + _NS_REORDERED_VALUE * dimension)
    )


def exact_cost(*, candidates: int, dimension: int) -> float:
    """Microseconds of scoring every candidate for one query."""
    return 1e-3 * (_NS_EXACT + candidates * (_NS_EXACT_CANDIDATE + _NS_EXACT_VALUE * dimension))
