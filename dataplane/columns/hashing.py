"""A 64-bit hash of strings that is the same in every process, on every machine and in every batch.

It decides sharding, the order of queries, tie-breaks and hash splits, so it must never change.
"""

import numpy as np
import pyarrow as pa

from models.ragged import offsets_of, places_of

_PRIME = np.uint64(0x100000001B3)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_SHORT = 64


def mix(values: np.ndarray) -> np.ndarray:
    """Finaliser of splitmix64 (Steele et al. 2014): spreads every input bit over all output bits.

    Args:
        values: uint64 array of any shape.
    """
    with np.errstate(over="ignore"):
        z = values + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed: np.ndarray = z ^ (z >> np.uint64(31))
        return mixed


def hash_strings(values: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Hashes of UTF-8 strings, uint64 `[len(values)]`: `mix` of a polynomial over the bytes.

    Args:
        values: string, large_string or dictionary-encoded strings, without nulls.
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.ChunkedArray):  # several chunks remain if the offsets would overflow
        return np.concatenate([hash_strings(chunk) for chunk in values.chunks])
    if pa.types.is_dictionary(values.type):
        hashes: np.ndarray = hash_strings(values.dictionary)[values.indices.to_numpy(zero_copy_only=False)]
        return hashes
    if len(values) == 0:
        return np.empty(0, np.uint64)
    values = values.cast(pa.large_string())
    offsets = np.frombuffer(values.buffers()[1], np.int64)[values.offset : values.offset + len(values) + 1]
    data = np.frombuffer(values.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    lengths = np.diff(offsets)
    starts = (offsets[:-1] - offsets[0]).astype(np.int64)
    with np.errstate(over="ignore"):
        sums = _sums_by_position if lengths.max() <= _SHORT else _sums_by_string
        return mix(sums(data, starts, lengths) ^ lengths.astype(np.uint64))


def _sums_by_position(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The polynomial of every string, computed one byte position at a time, which is fastest for short strings.

    For example, for "ab", "c" and "" position 0 is added to the first two sums and position 1 to the first.
    """
    longest = int(lengths.max())
    powers = _powers(longest)[:longest]
    sums = np.zeros(len(starts), np.uint64)
    if lengths.min() == longest:
        for column, power in zip(data.reshape(len(starts), longest).T, powers, strict=True):
            sums += (column + np.uint64(1)) * power
        return sums
    order = np.argsort(lengths.astype(np.uint8), kind="stable")
    longer = np.searchsorted(lengths[order], np.arange(longest), side="right")
    ordered_starts, ordered = starts[order], np.zeros(len(starts), np.uint64)
    for position, (first, power) in enumerate(zip(longer, powers, strict=True)):
        ordered[first:] += (data[ordered_starts[first:] + position] + np.uint64(1)) * power
    sums[order] = ordered
    return sums


def _sums_by_string(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The polynomial of every string, computed string by string, for strings of any length."""
    position = places_of(offsets_of(lengths))
    terms = (data.astype(np.uint64) + np.uint64(1)) * _powers(int(lengths.max()))[position]
    sums = np.zeros(len(starts), np.uint64)
    filled = lengths > 0
    sums[filled] = np.add.reduceat(terms, starts[filled])
    return sums


def hash_pairs(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Order-dependent combination of two hash arrays of the same shape."""
    with np.errstate(over="ignore"):
        return mix(left * np.uint64(3) + right)


def _powers(count: int) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.cumprod(np.concatenate([[np.uint64(1)], np.full(max(count - 1, 0), _PRIME)]), dtype=np.uint64)
