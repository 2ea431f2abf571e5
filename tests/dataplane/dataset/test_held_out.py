"""Counts of measured held-out events, compared with counts by hand."""

import numpy as np
import pytest

from dataplane.artifacts.evaluation import HeldOut
from dataplane.dataset.held_out import held_out, notes, refuse_unmeasured
from dataplane.errors import RefusedError
from tests.dataplane.dataset.test_retrieval_task import dataset

COMES_BACK = [(1, "train"), (2, "validation"), (1, "test")]
GOES_ON = [(1, "train"), (2, "validation"), (3, "test")]


def counted(events: int, seen_before: int, queries: int, queries_without: int) -> HeldOut:
    return HeldOut(events=events, seen_before=seen_before, queries=queries, queries_without=queries_without)


def test_an_event_is_not_measured_if_its_query_had_the_candidate_before() -> None:
    data = dataset(
        [(0, "train"), (1, "validation"), (0, "validation"), (1, "test"), (2, "test"), (2, "test")],
        [(4, "history"), (4, "test")],
        [(4, "train")],
    )
    assert held_out(data, "validation", remove_seen=True) == counted(2, 1, 1, 0)
    # Candidates of other queries are new. A repeat within the split is measured once and not dropped.
    assert held_out(data, "test", remove_seen=True) == counted(4, 2, 2, 1)
    assert held_out(data, "test", remove_seen=False) == counted(4, 0, 2, 0)


@pytest.mark.parametrize(
    ("queries", "refused"),
    [
        ([COMES_BACK] * 3, True),
        ([COMES_BACK] * 2 + [GOES_ON], True),
        ([COMES_BACK, GOES_ON], False),
        ([GOES_ON] * 3, False),
        ([[(1, "train")], COMES_BACK[:2]], False),  # a query without test events does not count
    ],
)
def test_a_dataset_is_refused_if_more_than_half_of_the_queries_cannot_be_measured(
    queries: list[list[tuple[int, str]]], refused: bool
) -> None:
    data = dataset(*queries)
    if refused:
        with pytest.raises(
            RefusedError, match=r"(?s)queries with test events cannot be.*set remove_seen: false"
        ) as error:
            refuse_unmeasured(data, remove_seen=True, max_fraction=0.5)
        assert ("max_unmeasured_fraction" in str(error.value)) is (GOES_ON in queries)  # only if some queries remain
        refuse_unmeasured(data, remove_seen=True, max_fraction=1.0)
    else:
        refuse_unmeasured(data, remove_seen=True, max_fraction=0.5)
    refuse_unmeasured(data, remove_seen=False, max_fraction=0.5)


def test_the_fraction_counts_queries_and_not_events() -> None:
    robot = [(candidate, "train") for candidate in range(9)] + [(candidate % 9, "test") for candidate in range(500)]
    found = held_out(dataset(robot, GOES_ON, GOES_ON), "test", remove_seen=True)
    assert (found.seen_before, found.events) == (500, 502)
    assert found.unmeasured_fraction == pytest.approx(1 / 3)


def test_few_queries_give_a_note() -> None:
    counts = counted(4, 3, 2, 1)
    assert notes("validation", counts)[1] == "validation: only 1 query chooses the model; differences may be chance"
    assert notes("test", counted(90, 0, 90, 0)) == []
    assert notes("validation", counted(0, 0, 0, 0)) == []


def test_counts_do_not_depend_on_the_range_size(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    splits = ["train", "validation", "test", "history"]
    queries = [
        [(int(random.integers(9)), splits[int(random.integers(4))]) for _ in range(int(random.integers(1, 9)))]
        for _ in range(40)
    ]
    whole = held_out(dataset(*queries), "test", remove_seen=True)
    monkeypatch.setattr(
        "dataplane.dataset.held_out.row_ranges", lambda offsets: [(q, q + 1) for q in range(len(offsets) - 1)]
    )
    assert held_out(dataset(*queries), "test", remove_seen=True) == whole
