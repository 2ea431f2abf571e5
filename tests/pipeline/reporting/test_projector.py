"""Candidates for the projector of TensorBoard."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from dataplane.artifacts import TransformedExamples
from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.dataset.sequences import Dataset, Entities, Events, write_dataset
from pipeline.execution.metadata import Execution, Run, Step, Store
from pipeline.reporting import projector
from pipeline.reporting.projector import Points, write_points, write_projector

IDS = ["a", "b", "c", "d"]
VECTORS = np.arange(8, dtype=np.float32).reshape(4, 2)


def lines(directory: Path, name: str) -> list[str]:
    return (directory / name).read_text().splitlines()


def indexed(root: Path) -> tuple[Store, Run]:
    """A run that indexed four candidates, of which `b` has no training event."""
    store = Store(root, "toy")
    for node, output in (("ExampleGen", "examples"), ("Transform", "transformed_examples")):
        (store.execution_directory(node, "e1") / output).mkdir(parents=True)
    candidates = store.execution_directory("ExampleGen", "e1") / "examples" / "candidates"
    candidates.mkdir()
    titles = ["A\tfilm", "Bé", None, "D\n"]
    pq.write_table(pa.table({"candidate_id": IDS, "name": titles}), candidates / "part-00000.parquet")
    none, empty = np.zeros(0, np.int32), Entities(pa.array([], pa.large_string()), {})
    events = Events(offsets=np.zeros(1, np.int64), candidate=none, split=none.astype(np.int8), context={})
    encoded = Entities(pa.array(IDS, pa.large_string()), {})
    dataset = Dataset(events, empty, encoded, np.array([3, 0, 2, 9]), DatasetMetadata(ordered=True))
    write_dataset(TransformedExamples(store.execution_directory("Transform", "e1") / "transformed_examples"), dataset)
    module = tf.Module()
    module.search = tf.Module()
    module.search.embeddings = tf.Variable(VECTORS)
    exact = store.execution_directory("ScannIndexer", "e1") / "serving_model" / "exact"
    tf.saved_model.save(module, str(exact))
    inputs = {"transformed_examples": "Transform/e1/transformed_examples"}
    store.commit(
        Execution("ScannIndexer", "e1", "ScannIndexer", "f" * 64, inputs, ["serving_model"], {}, {}, {}, "r1", "", 1.0)
    )
    steps = [Step(node, "run", "e1") for node in ("ExampleGen", "Transform", "ScannIndexer")]
    return store, Run("r1", "/toy.yaml", 1, steps=steps)


def test_the_indexed_encodedare_written_with_titles_once(tmp_path: Path) -> None:
    store, run = indexed(tmp_path)
    for _ in range(2):
        directory = write_projector(store, run)
        assert directory == tmp_path / "toy" / "tensorboard" / "candidates"
        assert lines(directory, "metadata.tsv") == ["id\ttitle", "a\tA film", "b\tBé", "c\tc", "d\tD"]
        np.testing.assert_array_equal(np.loadtxt(directory / "tensors.tsv"), VECTORS)
        assert len(list(directory.glob("events.out.tfevents*"))) == 1, "those of the run before are gone"
    assert [entry.name for entry in (tmp_path / "toy").glob(".t*")] == []


def test_of_many_encodedthose_with_most_events_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, run = indexed(tmp_path)
    monkeypatch.setattr(projector, "MOST", 2)
    directory = write_projector(store, run)
    assert directory is not None
    assert lines(directory, "metadata.tsv")[1:] == ["a\tA film", "d\tD"]
    assert lines(directory, "tensors.tsv") == ["0\t1", "6\t7"]
    assert "tensor_shape: 2\n  tensor_shape: 2\n" in (directory / "projector_config.pbtxt").read_text()


@pytest.mark.parametrize("state", ["cached", "refused", "waiting"])
def test_a_run_that_indexed_nothing_leaves_the_files(tmp_path: Path, state: str) -> None:
    store, run = indexed(tmp_path)
    run.steps[-1].state = state
    assert write_projector(store, run) is None
    assert not (tmp_path / "toy" / "tensorboard").exists()


def test_ids_without_titles_are_a_table_without_a_header(tmp_path: Path) -> None:
    write_points(tmp_path, Points(IDS, VECTORS, {}))
    assert lines(tmp_path, "metadata.tsv") == IDS
