"""Same inputs and seed, same vocabularies, weights and metrics; `reproduce` finds every step equal."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pipeline.execution.metadata import Store
from tests.e2e.conftest import QUICK, Project, cli

pytestmark = pytest.mark.e2e


def run_apart(project, name, root, *options):
    config = project.write_config(
        name,
        data={"interactions": {"format": "synthetic", "queries": 150, "candidates": 80, "events_per_query": 10}},
        features={"query": {"age": {"type": "numeric"}}, "candidate": {"title": {"type": "text"}}},
        recommendations=None,
        **QUICK,
    )
    project.run(config, "--set", f"serving.push.directory={root}", *options)


def digests(directory: Path) -> dict[str, str]:
    files = sorted(file for file in directory.rglob("*") if file.is_file())
    return {str(file.relative_to(directory)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def variables(saved_model: Path) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(str(saved_model / "variables" / "variables"))
    shapes = reader.get_variable_to_shape_map()
    return {name: reader.get_tensor(name) for name in shapes if not name.startswith("_CHECKPOINTABLE")}


def test_a_run_can_be_repeated_and_another_seed_gives_another_model(project, tmp_path):
    run_apart(project, "first", tmp_path / "a")
    again = Project(tmp_path / "again")
    run = Store(project.root, "first").runs()[-1].id
    repeated = cli("reproduce", run, "--root", project.root, "--into", again.root)
    assert repeated.code == 0, repeated.out + repeated.err
    assert "Pusher" in repeated.out.partition("publishes, so it is not repeated")[0]
    run_apart(project, "third", tmp_path / "c", "--set", "seed=7")
    found = {"first": (project, "first"), "second": (again, "first"), "third": (project, "third")}

    def output(name, node, output):
        place, pipeline = found[name]
        return place.artifact(pipeline, node, output).path

    for node, artifact in (("Transform", "transformed_examples"), ("ExampleGen", "examples")):
        assert digests(output("first", node, artifact)) == digests(output("second", node, artifact))
    vocabularies = [digests(output(name, "Transform", "transform_graph") / "vocabularies") for name in found]
    assert vocabularies[0] == vocabularies[1]
    weights = {name: variables(output(name, "Trainer", "model") / "towers") for name in found}
    assert weights["first"], "the towers have weights"
    np.testing.assert_equal(weights["first"], weights["second"])
    with pytest.raises(AssertionError):
        np.testing.assert_equal(weights["first"], weights["third"])
    assert project.metrics("first")["test"] == again.metrics("first")["test"]
