"""One training by two commands, as on two machines: `run` and `work`, each under a root of its own."""

import json
import os
import subprocess
import sys

import pytest

from tests.e2e.conftest import QUICK, cli
from tests.models.training.test_distribution import clusters_of_two, finish

pytestmark = pytest.mark.e2e

_DATA = {"interactions": {"format": "synthetic", "queries": 150, "candidates": 80, "events_per_query": 10}}


def test_a_worker_trains_along_and_leaves_the_model_to_the_one_that_runs(project):
    training = QUICK["training"] | {"distribution": "multi_worker"}
    config = project.write_config("pair", data=_DATA, **{**QUICK, "training": training})
    other, processes = project.directory / "other", []
    for verb, root, cluster in zip(("run", "work"), (project.root, other), clusters_of_two(), strict=True):
        command = [sys.executable, "-m", "pipeline", verb, str(config), "--root", str(root)]
        env = os.environ | {"TF_CONFIG": json.dumps(cluster)}
        processes.append(
            subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    _, printed = finish(*processes)
    steps = project.artifact("pair", "Trainer", "model").read_json("training.json")["steps"]
    assert f"Trained {steps} steps along with worker 0" in printed
    assert len(project.recommend("pair", "-k", "5")) == 5
    assert not (other / "pair" / "Trainer").exists()
    assert not (other / "serving").exists()


def test_without_several_machines_there_is_nothing_to_join(project):
    config = project.write_config("alone", data=_DATA, **QUICK)
    result = cli("work", config, "--root", project.root)
    assert result.code == 2
    assert "no training.distribution: multi_worker" in result.err
