"""Distances between the distributions of a column in two data sets, from their statistics alone."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from dataplane.artifacts.statistics import ColumnReport


def l_infinity(now: ColumnReport, before: ColumnReport) -> tuple[float, str] | None:
    """The largest change of a value's share, and the value; None without counts of values.

    Values that only one side lists count as absent on the other, so a change may be overstated by the share of the
    least frequent listed value. For example, {a: 7, b: 3} and {a: 5, b: 5} have the distance 0.2 at `a`.
    """
    shares = [_shares(now), _shares(before)]
    if not all(shares):
        return None
    changes = {value: shares[0].get(value, 0.0) - shares[1].get(value, 0.0) for value in shares[0] | shares[1]}
    value = max(changes, key=lambda it: (abs(changes[it]), it))
    return abs(changes[value]), value


def jensen_shannon(now: ColumnReport, before: ColumnReport) -> float | None:
    """The Jensen–Shannon divergence of two columns of numbers, 0 to 1 (base 2); None without quantiles.

    The densities are those between the quantiles, not of the histograms: a single outlier moves every bucket of a
    histogram. Both are cut at the quantiles of both; between two of them values count as evenly spread.
    """
    if not (now.quantiles and before.quantiles):
        return None
    edges = np.unique([float(edge) for column in (now, before) for edge in column.quantiles.values()])
    p, q = _masses(now, edges), _masses(before, edges)
    middle = (p + q) / 2
    return float((_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2)


def new_share(now: Sequence[int], before: Sequence[int], *, size: int) -> float | None:
    """Share of the ids of one data set that another does not have, from the smallest hashes of both.

    Up to the smaller of the two largest kept hashes, both sides kept all of their ids.

    Args:
        now: ascending hashes of ids; the `size` smallest, or all.
        before: the same of the other data set.
        size: how many are kept at most.
    """
    full = [hashes[-1] for hashes in (now, before) if len(hashes) >= size]
    comparable = [it for it in now if not full or it <= min(full)]
    if not comparable or not before:
        return None
    known = set(before)
    return sum(it not in known for it in comparable) / len(comparable)


def _shares(column: ColumnReport) -> dict[str, float]:
    if column.type.endswith("bool") or column.type == "list<bool>":
        return {} if column.mean is None else {"true": column.mean, "false": 1 - column.mean}
    total = column.elements
    return {it.value: it.count / total for it in column.top_values or ()} if total else {}


def _masses(column: ColumnReport, edges: np.ndarray) -> np.ndarray:
    """Share of the values at each edge, `[0::2]`, and between each two, `[1::2]`: `[2 * edges - 1]`."""
    masses = np.zeros(2 * len(edges) - 1)
    quantiles = sorted((float(share), float(value)) for share, value in column.quantiles.items())
    for (share, low), (next_share, high) in pairwise(quantiles):
        first, last = np.searchsorted(edges, (low, high))
        if first == last:  # this share of the values is equal
            masses[2 * first] += next_share - share
            continue
        widths = np.diff(edges[first : last + 1] / 2)  # halves, because a difference of finite numbers may overflow
        masses[2 * first + 1 : 2 * last : 2] += (next_share - share) * widths / widths.sum()
    return masses


def _relative_entropy(p: np.ndarray, q: np.ndarray) -> float:
    """Kullback–Leibler divergence in bits; `q` is positive where `p` is."""
    at = p > 0
    return float(np.sum(p[at] * np.log2(p[at] / q[at])))
