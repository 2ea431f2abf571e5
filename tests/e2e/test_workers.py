"""One training by two commands, as on two machines: `run` and `work`, each under a root of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import QUICK, Project, cli
from tests.models.training.test_distribution import clusters_of_two, finish

pytestmark = pytest.mark.e2e

_DATA = {"interactions": {"format": "synthetic", "queries": 150, "candidates": 80, "events_per_query": 10}}


def write_config(project: Project, **training) -> Path:
    training = QUICK["training"] | {"distribution": "multi_worker"} | training
    return project.write_config("pair", data=_DATA, **{**QUICK, "training": training})


def start_both(project: Project, config: Path) -> list[subprocess.Popen]:
    processes, roots = [], (project.root, project.directory / "other")
    for verb, root, cluster in zip(("run", "work"), roots, clusters_of_two(), strict=True):
        command = [sys.executable, "-m", "pipeline", verb, str(config), "--root", str(root)]
        env = os.environ | {"TF_CONFIG": json.dumps(cluster)}
        processes.append(
            subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    return processes


def test_a_worker_trains_along_and_leaves_the_model_to_the_one_that_runs(project):
    _, printed = finish(*start_both(project, write_config(project)))
    other = project.directory / "other"
    steps = project.artifact("pair", "Trainer", "model").read_json("training.json")["steps"]
    assert f"Trained {steps} steps together with worker 0" in printed
    assert len(project.recommend("pair", "-k", "5")) == 5
    assert not (other / "pair" / "Trainer").exists()
    assert not (other / "serving").exists()


def test_a_worker_whose_training_diverges_ends_as_the_one_that_runs(project):
    for process in start_both(project, write_config(project, learning_rate=1e30)):
        told, _ = process.communicate(timeout=300)
        assert process.returncode == 3, told
        assert told.count("error: ") == 1, told
        assert "lower training.learning_rate" in told.lower(), told
        assert "Traceback" not in told
        assert "once the reason above is dealt with, continue with: python -m pipeline" in told


def test_an_error_of_a_worker_that_nobody_foresaw_is_in_its_log(project, monkeypatch):
    monkeypatch.setattr("components.trainer.separate_process.train_apart", lambda **arguments: 1 / 0)
    result = cli("work", write_config(project), "--root", project.root)
    assert result.code == 1
    assert "error: ZeroDivisionError: division by zero (" in result.err
    assert "Traceback" not in result.err
    (log,) = (project.root / "pair" / "runs").glob("*.log")
    assert "Traceback (most recent call last)" in log.read_text()


def test_without_several_machines_there_is_nothing_to_join(project):
    config = project.write_config("alone", data=_DATA, **QUICK)
    result = cli("work", config, "--root", project.root)
    assert result.code == 2
    assert "no training.distribution: multi_worker" in result.err
