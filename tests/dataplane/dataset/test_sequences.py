from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from dataplane.artifacts import TransformedExamples
from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.dataset.sequences import (
    SPLITS,
    Dataset,
    Entities,
    Events,
    allocate_npy,
    concatenate_npy,
    read_dataset,
    read_ids,
    write_dataset,
    write_ids,
)

TRAIN, VALIDATION, TEST = range(3)


def events():
    """Four queries with 3, 0, 2 and 1 events."""
    return Events(
        offsets=np.array([0, 3, 3, 5, 6]),
        candidate=np.array([4, 1, 2, 0, 4, 3], np.int32),
        split=np.array([TRAIN, TRAIN, TEST, TRAIN, VALIDATION, TEST], np.int8),
        timestamp=np.array([10, 20, 30, 5, 6, 7], np.int64),
        weight=np.array([1, 2, 3, 4, 5, 6], np.float32),
        context={"device": np.array([[1], [2], [1], [3], [1], [2]], np.int32)},
    )


def dataset():
    return Dataset(
        events=events(),
        queries=Entities(pa.array(["q2", "q0", "ü", "q3"], pa.large_string()), {"age": np.ones((4, 1), np.float32)}),
        candidates=Entities(
            pa.array([f"c{i}" for i in range(5)], pa.large_string()),
            {"candidate_id": np.arange(5, dtype=np.int32)[:, None], "tags": np.zeros((5, 3), np.int32)},
        ),
        train_count=np.array([1, 1, 0, 0, 1], np.int64),
        metadata=DatasetMetadata(ordered=True, split={"by": "time"}),
    )


def assert_same(left, right):
    assert left.offsets.tolist() == right.offsets.tolist()
    for name in ("candidate", "split", "timestamp", "weight"):
        expected, found = getattr(left, name), getattr(right, name)
        assert (expected is None) == (found is None)
        if expected is not None:
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == expected.dtype
    assert left.context.keys() == right.context.keys()
    for name in left.context:
        np.testing.assert_array_equal(left.context[name], right.context[name])


def test_a_dataset_survives_a_round_trip(tmp_path):
    written = dataset()
    write_dataset(TransformedExamples(tmp_path), written)
    read = read_dataset(TransformedExamples(tmp_path))
    assert_same(written.events, read.events)
    assert read.queries.ids.to_pylist() == ["q2", "q0", "ü", "q3"]
    assert read.candidates.ids.to_pylist() == [f"c{i}" for i in range(5)]
    assert read.queries.columns.keys() == {"age"}
    assert read.candidates.columns["tags"].shape == (5, 3)
    assert read.train_count.tolist() == [1, 1, 0, 0, 1]
    assert read.metadata == written.metadata
    assert read.ordered
    assert (len(read.events), len(read.queries), len(read.candidates)) == (6, 4, 5)


def test_optional_arrays_are_absent_if_the_source_lacks_them(tmp_path):
    bare = replace(events(), timestamp=None, weight=None, context={})
    write_dataset(
        TransformedExamples(tmp_path), replace(dataset(), events=bare, metadata=DatasetMetadata(ordered=False))
    )
    read = read_dataset(TransformedExamples(tmp_path))
    assert_same(bare, read.events)
    assert not read.ordered


def test_large_arrays_are_memory_mapped_and_read_only(tmp_path):
    many = 10_000
    big = Events(np.array([0, many]), np.zeros(many, np.int32), np.zeros(many, np.int8))
    queries = Entities(pa.array(["q"]), {})
    write_dataset(TransformedExamples(tmp_path), replace(dataset(), events=big, queries=queries))
    candidate = read_dataset(TransformedExamples(tmp_path)).events.candidate
    assert isinstance(candidate, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        candidate[0] = 1


def test_a_dataset_without_events(tmp_path):
    none = Events(np.zeros(5, np.int64), np.empty(0, np.int32), np.empty(0, np.int8))
    write_dataset(TransformedExamples(tmp_path), replace(dataset(), events=none))
    read = read_dataset(TransformedExamples(tmp_path)).events
    assert len(read) == 0
    assert len(read.select(["train"])) == 0


def test_queries_gives_the_query_of_every_event():
    assert events().queries().tolist() == [0, 0, 0, 2, 2, 3]


def test_selecting_splits_keeps_order_and_queries():
    selected = events().select(["train", "validation"])
    assert selected.offsets.tolist() == [0, 2, 2, 4, 4]
    assert selected.candidate.tolist() == [4, 1, 0, 4]
    assert selected.timestamp.tolist() == [10, 20, 5, 6]
    assert selected.weight.tolist() == [1, 2, 4, 5]
    assert selected.context["device"].tolist() == [[1], [2], [3], [1]]
    assert selected.split.tolist() == [TRAIN, TRAIN, TRAIN, VALIDATION]


@pytest.mark.parametrize("splits", [(), ("train",), ("validation",), ("test",), ("test", "train"), SPLITS])
def test_selection_agrees_with_a_plain_loop(splits):
    everything, selected = events(), events().select(splits)
    for query in range(4):
        rows = range(everything.offsets[query], everything.offsets[query + 1])
        expected = [everything.candidate[i] for i in rows if SPLITS[everything.split[i]] in splits]
        found = selected.candidate[selected.offsets[query] : selected.offsets[query + 1]]
        assert found.tolist() == expected


@pytest.mark.parametrize("ids", [[], ["", "a", "日本", "a" * 1000]])
def test_ids_survive_a_round_trip(tmp_path, ids):
    write_ids(tmp_path / "new", pa.array(ids, pa.string()))
    assert read_ids(tmp_path / "new").to_pylist() == ids


def test_ids_in_several_chunks(tmp_path):
    write_ids(tmp_path, pa.chunked_array([["a", "b"], ["c"]]))
    assert read_ids(tmp_path).to_pylist() == ["a", "b", "c"]


def test_arrays_are_concatenated_on_disk(tmp_path):
    target = tmp_path / "new" / "x.npy"
    parts = [np.full((rows, 2), rows, np.float32) for rows in (3, 0, 2)]
    concatenate_npy(iter(parts), target, 5)
    np.testing.assert_array_equal(np.load(target), np.concatenate(parts))


@pytest.mark.parametrize("parts", [[], [np.zeros(2)]])
def test_missing_rows_are_refused(tmp_path, parts):
    with pytest.raises(ValueError, match=r"x\.npy: expected 3 rows, got ."):
        concatenate_npy(parts, tmp_path / "x.npy", 3)


def test_allocate_npy_reserves_the_blocks_of_the_file(tmp_path):
    allocate_npy(tmp_path / "x.npy", np.dtype(np.int32), (100_000, 2))
    assert (tmp_path / "x.npy").stat().st_blocks * 512 >= 800_000
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy", mmap_mode="r"), np.zeros((100_000, 2), np.int32))


def test_a_selection_on_disk_equals_the_one_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("models.ragged._RANGE_ENTRIES", 2)
    everything = events()
    for splits in (["train"], ["validation", "test"], ["history"]):
        directory = tmp_path / "-".join(splits)
        directory.mkdir()
        stored, held = everything.select(splits, into=directory), everything.select(splits)
        for name in ("offsets", "candidate", "split", "timestamp", "weight"):
            np.testing.assert_array_equal(getattr(stored, name), getattr(held, name))
        np.testing.assert_array_equal(stored.context["device"], held.context["device"])


def test_take_gives_the_events_of_the_queries():
    taken = events().take(np.array([3, 1, 0]))
    assert taken.offsets.tolist() == [0, 1, 1, 4]
    assert taken.candidate.tolist() == [3, 4, 1, 2]
    assert taken.context["device"].tolist() == [[2], [1], [2], [1]]
