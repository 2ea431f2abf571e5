"""Nights that start from the model of the night before: killed, repeated, reproduced and refused."""

import shutil

import pytest

from dataplane.artifacts.model import TrainingReport
from models.saved_models.checkpoints import same_values
from pipeline.execution.metadata import Store
from serving.published.publishing import Publisher
from tests.e2e.conftest import QUICK, cli, killed_when

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_a_killed_warm_night_comes_out_as_if_it_had_not_been_killed(project, tmp_path):
    settings = QUICK | {"training": {**QUICK.get("training", {}), "max_epochs": 3, "warm_start": "published"}}
    config = project.write_config(
        "nights",
        data={"interactions": {"format": "synthetic", "queries": 150, "candidates": 80, "events_per_query": 10}},
        features={"candidate": {"category": {"type": "categorical"}}},
        recommendations=None,
        **settings,
    )
    first = project.run(config)
    assert "cold start, from random weights: no model had been published when the run began" in first.err
    assert project.run(config).out.startswith("Nothing to do"), "its own publication is no new base"

    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(project.root, elsewhere, symlinks=True)
    night = ("--set", "data.interactions.seed=5", "--set", "data.interactions.candidates=90")
    straight = cli("run", config, "--root", elsewhere, *night)
    assert straight.code == 0, straight.err
    assert "warm start, number 1 since a cold one" in straight.err

    resumed = project.root / "nights" / ".resume" / "Trainer"
    killed_when(lambda: resumed.glob("*/*/state.json"), "run", config, "--root", project.root, *night)
    base = Store(project.root, "nights").executions("Trainer")[-1]
    project.run(config, *night)
    models = [Store(root, "nights").executions("Trainer")[-1] for root in (elsewhere, project.root)]
    assert models[1].inputs["base"] == f"Trainer/{base.id}/model"
    towers = [
        Store(root, "nights").output(it, "model") / "towers" / "variables" / "variables"
        for root, it in zip((elsewhere, project.root), models, strict=True)
    ]
    assert same_values(*towers)
    report = TrainingReport.read(project.artifact("nights", "Trainer", "model"))
    assert report.curve[0]["step"] == 0
    assert set(project.states("nights").values()) != {"cached"}
    assert project.run(config, *night).out.startswith("Nothing to do")

    run = Store(project.root, "nights").runs()[-1]
    repeated = cli("reproduce", run.id, "--from", "Trainer", "--root", project.root, "--into", tmp_path / "again")
    assert repeated.code == 0, repeated.err

    served = Publisher(project.root / "serving", "nights").newest()
    other = ("--set", "data.interactions.seed=6", "--set", "evaluation.max_churn=0.001")
    refused = project.run(config, *other, code=3)
    assert "refused (evaluation.max_churn)" in refused.err
    assert Publisher(project.root / "serving", "nights").newest() == served
