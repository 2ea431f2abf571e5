"""Split methods on hand-made events."""

from datetime import UTC, datetime

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from components.transform.splits import SplitInputs, Splitter, time_cuts
from dataplane.dataset.sequences import SPLITS
from models.spec.split_config import SplitConfig, TimeSplit


def config(**keys: object) -> SplitConfig:
    return TypeAdapter(SplitConfig).validate_python(keys)


def events(sizes: list[int], **columns: np.ndarray) -> SplitInputs:
    random = np.random.default_rng(7)
    return SplitInputs(
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        query_hashes=random.integers(0, 2**63, len(sizes), np.uint64),
        row_hashes=random.integers(0, 2**63, sum(sizes), np.uint64),
        **columns,
    )


def names(codes: np.ndarray) -> str:
    return "".join(SPLITS[code][0] if SPLITS[code] != "test" else "T" for code in codes)


def test_leave_last_n_skips_short_queries() -> None:
    codes = Splitter(config(method="leave_last_n")).codes(events([4, 2, 0, 3, 1]))
    assert names(codes) == "ttvT" + "tt" + "tvT" + "t"
    codes = Splitter(config(method="leave_last_n", n=2)).codes(events([5, 4]))
    assert names(codes) == "tvvTT" + "tttt"


def test_time_cuts_are_the_same_for_all_queries() -> None:
    moments = {"validation_from": "1970-01-01T00:00:03", "test_from": datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)}
    split = TimeSplit.model_validate({"method": "time", **moments})
    cuts = time_cuts(split, np.empty(0), np.empty(0))
    seconds = np.array([1, 3, 4, 5, 2, 2, 9])
    codes = Splitter(split, cuts=cuts).codes(events([4, 3], timestamp=seconds * 1_000_000))
    assert names(codes) == "tvvT" + "ttT"


def test_time_fractions_keep_equal_timestamps_in_one_split() -> None:
    split = TimeSplit(method="time", validation_fraction=0.2, test_fraction=0.2)
    assert time_cuts(split, np.arange(10), np.ones(10, int)) == (6, 8)
    # Eight of ten events at one moment: it goes to the later side as a whole.
    assert time_cuts(split, np.array([1, 2, 3]), np.array([1, 8, 1])) == (2, 2)


def test_ratio_by_row_gives_the_fractions_and_follows_the_seed() -> None:
    split = config(method="ratio", validation_fraction=0.1, test_fraction=0.3)
    many = events([100_000])
    codes = Splitter(split, seed=1).codes(many)
    np.testing.assert_allclose(np.bincount(codes) / len(codes), [0.6, 0.1, 0.3], atol=0.01)
    assert (codes == Splitter(split, seed=1).codes(many)).all()
    assert (codes != Splitter(split, seed=2).codes(many)).any()


def test_ratio_by_query_never_trains_on_a_held_out_query() -> None:
    split = config(method="ratio", by="query", validation_fraction=0.2, test_fraction=0.2, history_fraction=0.6)
    inputs = events([5] * 2_000)
    rows = Splitter(split, seed=3).codes(inputs).reshape(-1, 5)
    patterns = {names(row) for row in rows}
    assert patterns == {"ttttt", "hhhvv", "hhhTT"}
    np.testing.assert_allclose((rows[:, 0] == SPLITS.index("history")).mean(), 0.4, atol=0.05)


def test_ratio_by_query_holds_out_a_single_event() -> None:
    split = config(method="ratio", by="query", validation_fraction=0.4, test_fraction=0.4)
    assert set(names(Splitter(split).codes(events([1] * 100)))) == {"t", "v", "T"}


def test_splits_of_files_are_used_as_given() -> None:
    given = np.array([0, 0, 2, 1], np.int8)
    assert names(Splitter(config(method="files")).codes(events([4], given=given))) == "ttTv"


def test_validation_is_taken_from_train_if_files_have_none() -> None:
    given = np.repeat(np.array([0, 2], np.int8), 5_000)
    split = config(method="files", validation_fraction=0.2)
    codes = Splitter(split, seed=5, carve_validation=True).codes(events([10_000], given=given))
    np.testing.assert_allclose(np.bincount(codes)[1] / 5_000, 0.2, atol=0.03)
    assert (codes[5_000:] == SPLITS.index("test")).all()
    assert (given[:5_000] == 0).all()


def test_without_a_method_all_events_are_train() -> None:
    assert names(Splitter(None).codes(events([2, 3]))) == "ttttt"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"method": "time", "test_from": "2020-01-01"}, "together"),
        ({"method": "time", "validation_from": "2020-01-02", "test_from": "2020-01-01"}, "before"),
        (
            {"method": "time", "validation_from": "2020-01-01", "test_from": "2021-01-01", "test_fraction": 0.2},
            "either",
        ),
        ({"method": "time", "validation_fraction": 0.5, "test_fraction": 0.5}, "something to train on"),
        ({"method": "ratio", "validation_fraction": 0.7, "test_fraction": 0.5}, "something to train on"),
        ({"method": "ratio", "history_fraction": 0.5}, "by: query"),
        ({"method": "leave_last_n", "n": 0}, "greater than or equal to 1"),
        ({"method": "leave_last_n", "m": 1}, "unknown key"),
        ({"method": "random"}, "random"),
    ],
)
def test_impossible_splits_are_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(**keys)
