"""Mean and standard deviation that do not depend on the order in which batches are merged.

Floating-point sums depend on their order. So numbers are cut into integer limbs, whose sums and products NumPy computes
exactly, and the totals are kept as fractions. A result is rounded once, when it is read.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

_CHUNK = 1 << 16
"""Rows summed at a time: 2^16 products of two 18-bit limbs stay below 2^53, the limit of exact integers in float64."""
_LIMB_BITS = 18
_LIMBS = 4  # for up to 64 bits: integers need all four, the 53-bit mantissa of a float needs three


@dataclass(frozen=True)
class ExactMoments:
    """Exact count, sum and sum of squares of finite numbers.

    Attributes:
        count: number of numbers.
        total: their sum.
        squares: sum of their squares.
    """

    count: int = 0
    total: Fraction = Fraction(0)
    squares: Fraction = Fraction(0)

    @staticmethod
    def of(values: np.ndarray) -> "ExactMoments":
        """Moments of finite numbers, an int64 or float64 array `[n]`."""
        total, squares = Fraction(0), Fraction(0)
        for start in range(0, len(values), _CHUNK):
            chunk = values[start : start + _CHUNK]
            parts = _integer_sums(chunk) if chunk.dtype.kind == "i" else _float_sums(chunk)
            total, squares = total + parts[0], squares + parts[1]
        return ExactMoments(len(values), total, squares)

    def __add__(self, other: "ExactMoments") -> "ExactMoments":
        return ExactMoments(self.count + other.count, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float:
        """Arithmetic mean; NaN without numbers."""
        return float(self.total / self.count) if self.count else math.nan

    @property
    def std(self) -> float:
        """Population standard deviation; NaN without numbers."""
        if not self.count:
            return math.nan
        mean = self.total / self.count
        return _square_root(self.squares / self.count - mean * mean)


def _integer_sums(values: np.ndarray) -> tuple[Fraction, Fraction]:
    # The absolute value of -2^63 does not fit into int64; viewed as uint64 it is right.
    signs, magnitudes = np.where(values < 0, -1, 1), np.abs(values).view(np.uint64)
    ones = np.zeros(len(values), np.int64)
    total, squares = _sums_by_exponent(signs, magnitudes, ones, 1)
    return Fraction(total[0]), Fraction(squares[0])


def _float_sums(values: np.ndarray) -> tuple[Fraction, Fraction]:
    if len(values) == 0:
        return Fraction(0), Fraction(0)
    fractions, exponents = np.frexp(values)
    mantissas = np.abs(np.ldexp(fractions, 53)).astype(np.uint64)  # value = mantissa · 2^(exponent - 53)
    lowest = int(exponents.min())
    buckets = exponents.astype(np.int64) - lowest
    total, squares = _sums_by_exponent(np.where(values < 0, -1, 1), mantissas, buckets, int(buckets.max()) + 1)
    scale = Fraction(2) ** (lowest - 53)
    exact_total = sum(value << shift for shift, value in enumerate(total) if value)
    exact_squares = sum(value << (2 * shift) for shift, value in enumerate(squares) if value)
    return exact_total * scale, exact_squares * scale * scale


def _sums_by_exponent(
    signs: np.ndarray, magnitudes: np.ndarray, buckets: np.ndarray, count: int
) -> tuple[list[int], list[int]]:
    """Sums and sums of squares of `signs · magnitudes` per bucket, as Python integers.

    For example, `signs` [1, −1, 1], `magnitudes` [2, 3, 4] and `buckets` [0, 0, 1] give [−1, 4] and [13, 16].
    """
    mask = np.uint64((1 << _LIMB_BITS) - 1)
    limbs = [((magnitudes >> np.uint64(_LIMB_BITS * i)) & mask).astype(np.float64) for i in range(_LIMBS)]
    total, squares = [0] * count, [0] * count
    for i, left in enumerate(limbs):
        if not left.any():
            continue
        _add_shifted(total, np.bincount(buckets, left * signs, count), _LIMB_BITS * i)
        for j, right in enumerate(limbs[: i + 1]):
            # Products of two different limbs occur twice in the square.
            shift = _LIMB_BITS * (i + j) + (i != j)
            _add_shifted(squares, np.bincount(buckets, left * right, count), shift)
    return total, squares


def _add_shifted(sums: list[int], parts: np.ndarray, shift: int) -> None:
    for bucket in np.flatnonzero(parts):
        sums[bucket] += int(parts[bucket]) << shift


def _square_root(value: Fraction) -> float:
    # The fraction may exceed the range of float64 although its root does not.
    shift = max(0, (value.numerator.bit_length() - value.denominator.bit_length()) // 2 - 500)
    return math.ldexp(math.sqrt(value / 4**shift), shift) if value > 0 else 0.0
