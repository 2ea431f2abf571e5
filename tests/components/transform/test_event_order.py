"""The order of events and the lookup of ids agree with straightforward implementations."""

import numpy as np
import pyarrow as pa
import pytest

from components.transform.event_order import event_order
from dataplane.dataset.id_index import IdIndex

RANDOM = np.random.default_rng(11)
EXTREMES = np.array([-(2**63), 2**63 - 1, 0])


@pytest.mark.parametrize(
    "times",
    [
        RANDOM.integers(0, 5, 300),
        RANDOM.integers(-(2**62), 2**62, 300),
        RANDOM.choice(EXTREMES, 300),
        RANDOM.normal(size=300).round(1),
        RANDOM.integers(0, 2**64, 300, np.uint64, endpoint=False),
    ],
    ids=["ties", "wide", "extremes", "floats", "hashes"],
)
@pytest.mark.parametrize("queries", [1, 20, 300])
def test_events_are_ordered_by_all_keys(times: np.ndarray, queries: int) -> None:
    query, pair = RANDOM.integers(0, queries, 300), RANDOM.integers(0, 3, 300)
    rest = pa.table({"note": RANDOM.permutation(300)})
    order = event_order(query, [times, pair], rest)
    rows = list(zip(query.tolist(), times.tolist(), pair.tolist(), strict=True))
    assert sorted(order.tolist()) == list(range(300))
    assert [rows[i] for i in order] == sorted(rows)


def test_equal_events_are_ordered_by_their_other_columns() -> None:
    notes = np.array(["b", "a", "c", "a"])
    same = np.zeros(4, np.int64)
    for shuffle in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        order = event_order(same, [same], pa.table({"note": notes[shuffle]}))
        assert notes[shuffle][order].tolist() == ["a", "a", "b", "c"]


def test_no_events() -> None:
    assert len(event_order(np.empty(0, np.int64), [np.empty(0, np.int64)], pa.table({}))) == 0


def test_rows_of_ids() -> None:
    ids = pa.array([f"id {i}" for i in range(50)] + ["", "日本"], pa.large_string())
    index = IdIndex(ids)
    asked = pa.array(["id 7", "nobody", "日本", "", "id 7"])
    assert index.rows(asked).tolist() == [7, -1, 51, 50, 7]
    assert index.rows(asked.dictionary_encode()).tolist() == [7, -1, 51, 50, 7]
    assert IdIndex(ids.slice(0, 0)).rows(asked).tolist() == [-1] * 5


def test_ids_with_equal_hashes_are_distinguished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataplane.dataset.id_index.hash_strings", lambda values: np.zeros(len(values), np.uint64))
    index = IdIndex(pa.array(["a", "b", "c"], pa.large_string()))
    assert index.rows(pa.array(["c", "x", "a"])).tolist() == [2, -1, 0]
