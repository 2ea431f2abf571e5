import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataplane.columns.hashing import hash_pairs, hash_strings, mix

# Splits, shards and the order of stored data depend on these hashes, so they must never change.
KNOWN = {
    "": 0xE220A8397B1DCDAF,
    "a": 0x42F3A9364C476BE3,
    "ab": 0xF93A9B1624745513,
    "ba": 0xE263DC9A9B56F432,
    "007": 0xF3849955000D1211,
    "7": 0x36057413850F2A31,
    "Tëst": 0x12C8BFF16D1C3704,
    "日本": 0xA8513F6A08F743BE,
    "a" * 1000: 0x6FEC62BF4B9C327F,
}


def hashes(values, arrow_type=None):
    return hash_strings(pa.array(values, arrow_type or pa.string())).tolist()


def reference(text):
    """The same hash, computed one byte at a time."""
    total = sum((byte + 1) * pow(0x100000001B3, i, 1 << 64) for i, byte in enumerate(text.encode()))
    return int(mix(np.array([(total % (1 << 64)) ^ len(text.encode())], np.uint64))[0])


def test_known_hashes():
    assert hashes(list(KNOWN)) == list(KNOWN.values())


def test_mix_is_splitmix64():
    # The first outputs of the published generator for the seeds 0 and 1234567.
    assert mix(np.array([0, 1234567], np.uint64)).tolist() == [0xE220A8397B1DCDAF, 6457827717110365317]


def test_another_process_computes_the_same_hashes():
    code = "import pyarrow as pa; from dataplane.columns.hashing import *; print(hash_strings(pa.array(['ab']))[0])"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert int(output) == KNOWN["ab"]


@settings(max_examples=200)
@given(st.lists(st.text(max_size=12), max_size=12), st.integers(0, 12))
def test_the_hash_of_a_value_does_not_depend_on_the_batch(values, cut):
    expected = [reference(value) for value in values]
    assert hashes(values) == expected
    assert hashes(values, pa.large_string()) == expected
    assert hash_strings(pa.array(values, pa.string()).slice(cut)).tolist() == expected[cut:]
    assert hash_strings(pa.chunked_array([values[:cut], values[cut:]], pa.string())).tolist() == expected


def test_dictionary_arrays_hash_like_their_values():
    values = ["b", "", "a", "b", "日本"] * 3
    encoded = pa.array(values).dictionary_encode()
    assert hash_strings(encoded).tolist() == hashes(values)
    assert hash_strings(encoded.slice(4, 7)).tolist() == hashes(values[4:11])
    chunked = pa.chunked_array([pa.array(values[:5]), pa.array(values[5:])]).dictionary_encode()
    assert hash_strings(chunked).tolist() == hashes(values)


@pytest.mark.parametrize("values", [[], [""], ["", ""], ["", "a"], ["a", ""], ["", "a", "", "", "b", ""]])
def test_empty_strings_do_not_change_the_hashes_of_others(values):
    assert hashes(values) == [reference(value) for value in values]


def test_zero_bytes_change_the_hash():
    assert len(set(hashes(["\0", "\0\0", "\1", "\0\1", "\1\0", "\0a", "a\0"]))) == 7


def test_ids_spread_evenly_and_do_not_collide():
    numbers = hash_strings(pa.array([str(i) for i in range(200_000)]))
    assert len(np.unique(numbers)) == 200_000
    for bits in (numbers % np.uint64(64), numbers >> np.uint64(58)):
        counts = np.bincount(bits.astype(np.int64), minlength=64)
        chi_square = ((counts - 3125) ** 2 / 3125).sum()
        assert chi_square < 120, "63 degrees of freedom exceed 120 once in 50,000 times"


def test_every_input_bit_reaches_every_output_bit():
    values = np.arange(2000, dtype=np.uint64)
    for bit in range(0, 64, 7):
        flipped = mix(values) ^ mix(values ^ np.uint64(1 << bit))
        shares = [np.mean((flipped >> np.uint64(output)) & np.uint64(1)) for output in range(64)]
        assert min(shares) > 0.4
        assert max(shares) < 0.6


def test_pairs_depend_on_order():
    left, right = np.array([1, 2], np.uint64), np.array([2, 1], np.uint64)
    assert hash_pairs(left, right).tolist() == [0x63033B0CA389C35A, 0x63CBE1E459320DD7]
    grid = np.stack(np.meshgrid(np.arange(300), np.arange(300)), axis=-1).reshape(-1, 2)
    mixed = mix(grid.astype(np.uint64))
    assert len(np.unique(hash_pairs(mixed[:, 0], mixed[:, 1]))) == 90_000
