"""Arrow columns to raw tensors: types, nulls, lists, and what is refused."""

import numpy as np
import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from dataplane.columns.raw_features import raw_features
from dataplane.errors import DataError
from models.spec.features import MISSING_TIMESTAMP, Feature

UTC = pa.timestamp("us", "UTC")


def raw(values: pa.Array, **keys: object) -> list:
    feature = TypeAdapter(Feature).validate_python(keys)
    return raw_features({"f": feature}, pa.table({"f": values}))["f"].tolist()


def test_strings_integers_and_booleans_become_strings() -> None:
    assert raw(pa.array(["007", None, "ü\n"]), type="id") == ["007", "", "ü\n"]
    assert raw(pa.array([7, None]), type="categorical") == ["7", ""]
    assert raw(pa.array([True, None]), type="categorical") == ["true", ""]
    assert raw(pa.array(["a", None, "a"]).dictionary_encode(), type="text") == ["a", "", "a"]


def test_lists_are_cut_and_padded_after_dropping_missing_values() -> None:
    values = pa.array([["a", None, "b", "", "c"], None, [], ["d"]])
    assert raw(values, type="categorical", max_values=2) == [["a", "b"], ["", ""], ["", ""], ["d", ""]]
    assert raw(values.slice(2), type="categorical", max_values=2) == [["", ""], ["d", ""]]


def test_numbers_and_moments() -> None:
    np.testing.assert_array_equal(raw(pa.array([1, None]), type="numeric"), [1, np.nan])
    before_1970 = pa.array([-1, 1_500_000, None], pa.int64()).cast(UTC)
    assert raw(before_1970, type="timestamp") == [-1, 1, MISSING_TIMESTAMP]
    assert raw(pa.array([5, None]), type="timestamp") == [5, MISSING_TIMESTAMP]


def test_vectors() -> None:
    vectors = raw(pa.array([[1.0, 2.0], None, [3.0, None]]), type="vector", dimension=2)
    np.testing.assert_array_equal(vectors, [[1, 2], [np.nan, np.nan], [3, np.nan]])


@pytest.mark.parametrize(
    "feature",
    [
        {"type": "id"},
        {"type": "categorical", "max_values": 2},
        {"type": "text"},
        {"type": "numeric"},
        {"type": "timestamp"},
        {"type": "vector", "dimension": 3},
    ],
)
def test_a_column_of_nulls_and_no_rows_at_all(feature: dict) -> None:
    assert len(raw(pa.nulls(2), **feature)) == 2
    assert raw(pa.nulls(0), **feature) == []


@pytest.mark.parametrize(
    ("values", "feature", "message"),
    [
        (pa.array([1.5]), {"type": "id"}, "is double"),
        (pa.array([["a"]]), {"type": "categorical"}, "hold lists"),
        (pa.array(["a|b"]), {"type": "categorical", "max_values": 3}, "leave out 'max_values'"),
        (pa.array([3]), {"type": "text"}, "not strings"),
        (pa.array(["3"]), {"type": "numeric"}, "not numbers"),
        (pa.array(["2020-01-01"]), {"type": "timestamp"}, "allowed: timestamps, or integers"),
        (pa.array([[1.0, 2.0], [1.0]]), {"type": "vector", "dimension": 2}, "length 1; .* dimension is 2"),
        (pa.array([1.0]), {"type": "vector", "dimension": 2}, "not lists"),
        (pa.array(["a"]), {"type": "id", "column": "g"}, "no such column"),
    ],
)
def test_the_wrong_type_is_refused(values: pa.Array, feature: dict, message: str) -> None:
    with pytest.raises(DataError, match=f"feature 'f', column.*{message}"):
        raw(values, **feature)


def test_a_vector_of_another_length_is_refused_with_its_row() -> None:
    feature = TypeAdapter(Feature).validate_python({"type": "vector", "dimension": 2})
    table = pa.table({"candidate_id": ["c1", "c2"], "f": [[1.0, 2.0], [1.0]]})
    with pytest.raises(DataError, match=r"length 1; .* \(row with candidate_id c2\)"):
        raw_features({"f": feature}, table)
