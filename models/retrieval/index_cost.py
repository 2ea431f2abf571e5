"""What a search costs, by a model instead of a clock: the same settings cost the same on every machine and day.

Microseconds for one query asked alone, on one core with AVX2. The figures are fitted to 240 settings of trees on 5,000
to 400,000 candidates of 32 and 64 dimensions; what the model is for is their order, and its rank correlation with the
measured times is 0.93 for single queries, 0.97 for batches of 64.
"""

import math

from models.retrieval.index import TreeSettings

_NS_CALL = 60_000.0
_NS_LEAF_VALUE = 0.5  # one dimension of one leaf's centre
_NS_CODE = 0.06  # one code of 4 bits of a candidate in a leaf that is looked into
_NS_REORDERED = 30.0  # one candidate scored again: its vector is fetched from anywhere in memory
_NS_REORDERED_VALUE = 0.4  # one dimension of it
_NS_EXACT = 14.0  # one candidate scored and compared
_NS_EXACT_VALUE = 0.28  # one dimension of it


def tree_cost(settings: TreeSettings, *, candidates: int, dimension: int) -> float:
    """Microseconds of one query's search in a tree."""
    looked_into = candidates * settings.leaves_to_search / settings.leaves
    return 1e-3 * (
        _NS_CALL
        + _NS_LEAF_VALUE * settings.leaves * dimension
        + _NS_CODE * looked_into * math.ceil(dimension / settings.dimensions_per_block)
        + min(settings.reorder, looked_into) * (_NS_REORDERED + _NS_REORDERED_VALUE * dimension)
    )


def exact_cost(*, candidates: int, dimension: int) -> float:
    """Microseconds of scoring every candidate for one query."""
    return 1e-3 * (_NS_CALL + candidates * (_NS_EXACT + _NS_EXACT_VALUE * dimension))
