"""Transform splits a small world by each method, and refuses settings that do not fit the data."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.transform.survey import PERIOD
from dataplane.dataset.sequences import SPLITS
from dataplane.errors import DataError
from models.spec.features import FeatureSpec
from tests.components.transform.small_world import interactions, moments, transform, vocabulary, write


def test_final_makes_everything_training_data(tmp_path: Path) -> None:
    table = interactions()
    dataset, graph = transform(
        write(tmp_path / "in", interactions=table), tmp_path / "out", final=True, features=FeatureSpec()
    )
    assert not dataset.events.split.any()
    assert vocabulary(graph, "candidate.candidate_id") == Counter(table["candidate_id"].to_pylist())
    assert dataset.metadata.counts == {"train": 600, "validation": 0, "test": 0, "history": 0}


@pytest.mark.parametrize("given", [["train", "validation", "test"], ["train", "test"]])
def test_splits_given_by_files(tmp_path: Path, given: list[str]) -> None:
    table = interactions().select(["query_id", "candidate_id"])
    names = [given[i % len(given)] for i in range(len(table))]
    table = table.append_column("split", pa.array(names))
    dataset, _ = transform(
        write(tmp_path / "in", interactions=table), tmp_path / "out", {"method": "files"}, features=FeatureSpec()
    )
    counts, wanted = dataset.metadata.counts, Counter(names)
    assert counts["test"] == wanted["test"]
    assert counts["train"] + counts["validation"] == wanted["train"] + wanted["validation"]
    assert counts["validation"] == wanted["validation"] if "validation" in given else counts["validation"] > 0


def test_time_fractions_cut_at_a_moment(tmp_path: Path) -> None:
    table = interactions().select(["query_id", "candidate_id", "timestamp"])
    dataset, _ = transform(
        write(tmp_path / "in", interactions=table), tmp_path / "out", {"method": "time"}, features=FeatureSpec()
    )
    latest = {name: moments(dataset, name) for name in SPLITS[:3]}
    assert latest["train"].max() < latest["validation"].min()
    assert latest["validation"].max() < latest["test"].min()
    assert 0.1 <= len(latest["test"]) / len(table) < 0.2


def test_the_cuts_are_exact_although_moments_are_counted_by_periods_first(tmp_path: Path) -> None:
    drawn = np.random.default_rng(5).integers(10**15, 10**15 + 10 * PERIOD, 600)
    table = interactions().set_column(2, "timestamp", pa.array(drawn, pa.timestamp("us", "UTC")))
    dataset, _ = transform(
        write(tmp_path / "in", interactions=table), tmp_path / "out", {"method": "time"}, features=FeatureSpec()
    )
    of_split = {name: np.sort(moments(dataset, name)) for name in SPLITS[:3]}
    ordered = np.sort(drawn)
    np.testing.assert_array_equal(of_split["test"], ordered[540:])
    np.testing.assert_array_equal(of_split["validation"], ordered[480:540])


@pytest.mark.parametrize(
    ("change", "split", "features", "message"),
    [
        (lambda t: t.drop_columns("timestamp"), {"method": "leave_last_n"}, {}, "needs a timestamp or order"),
        (lambda t: t.drop_columns("timestamp"), {"method": "time"}, {}, "needs a timestamp"),
        (lambda t: t, {"method": "files"}, {}, "needs the split"),
        (
            lambda t: t,
            {"method": "leave_last_n", "n": 1000},
            {},
            "leaves no validation and no test.*600 train.*2001 events",
        ),
        (
            lambda t: t,
            {"method": "time", "validation_from": "1980-01-01", "test_from": "1990-01-01"},
            {},
            "leaves no train and no validation",
        ),
        (
            lambda t: t.filter(pa.compute.equal(t["candidate_id"], "1")),
            {"method": "leave_last_n"},
            {},
            "only one candidate",
        ),
        (lambda t: t.filter(pa.compute.equal(t["query_id"], "ü001")), {"method": "leave_last_n"}, {}, "of one query"),
        (lambda t: t.slice(0, 0), {"method": "leave_last_n"}, {}, "no interactions"),
        (lambda t: t, {"method": "ratio"}, {"query": {"age": {"type": "numeric"}}}, "no queries table"),
        (lambda t: t, {"method": "ratio"}, {"context": {"device": {"type": "numeric"}}}, "'device'.*not numbers"),
        (lambda t: t, {"method": "ratio"}, {"context": {"devise": {"type": "id"}}}, "no such column"),
    ],
)
def test_unusable_settings_are_refused_with_a_reason(
    tmp_path: Path, change: Callable[[pa.Table], pa.Table], split: dict, features: dict, message: str
) -> None:
    examples = write(tmp_path / "in", interactions=change(interactions()))
    with pytest.raises(DataError, match=message):
        transform(examples, tmp_path / "out", split, features=FeatureSpec.model_validate(features))
