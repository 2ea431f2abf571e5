"""Nights with real trainings, each from the model of the night before; the steps end with the Trainer."""

import shutil
from pathlib import Path

import pytest

from dataplane.artifacts import Model
from dataplane.artifacts.model import TrainingReport
from dataplane.beam_runner import InProcess
from models.saved_models.checkpoints import same_values
from models.spec.progress import Advanced, Report
from pipeline.config.config import load_config
from pipeline.create_pipeline import create_pipeline
from pipeline.execution.base_model import find_base
from pipeline.execution.metadata import Execution, Run, Store
from pipeline.execution.progress import QuietProgress
from pipeline.execution.runner import LocalRunner, new_run
from pipeline.execution.selection import Selection

CONFIG = """\
schema_version: 1
name: nights
data: {interactions: {format: synthetic, queries: 60, candidates: 40, events_per_query: 8}}
model: {embedding_dim: 8, query_tower: {layers: []}, temperature: 0.1}
training: {max_epochs: 3, batch_size: 32}
"""


class Interrupting(QuietProgress):
    """Interrupts the run in the middle of its training."""

    def step_progress(self, report: Report) -> None:
        if isinstance(report, Advanced) and report.unit == "steps" and report.done > 5:
            raise KeyboardInterrupt


def night(root: Path, *settings: str, progress: QuietProgress | None = None) -> tuple[Run, Execution]:
    root.mkdir(exist_ok=True)
    (root / "nights.yaml").write_text(CONFIG)
    config, store = load_config(root / "nights.yaml", settings), Store(root, "nights")
    base = find_base(config.training.warm_start, store, directory=str(root / "serving"))
    pipeline = create_pipeline(config, root, base).until("Trainer")
    run = new_run(root / "nights.yaml")
    runner = LocalRunner(store, InProcess(), progress or QuietProgress())
    done = runner.run(pipeline, run, Selection(), None if base is None else base.given)
    return run, done["Trainer"]


@pytest.mark.slow
def test_an_interrupted_warm_night_comes_out_as_if_it_had_not_been_interrupted(tmp_path: Path) -> None:
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    first, cold = night(straight)
    shutil.copytree(straight, broken)
    second = (f"training.warm_start=run:{first.id}", "data.interactions.seed=5", "data.interactions.candidates=50")
    _, warm = night(straight, *second)
    with pytest.raises(KeyboardInterrupt):
        night(broken, *second, progress=Interrupting())
    _, continued = night(broken, *second)
    models = [Store(root, "nights").output(it, "model") for root, it in ((straight, warm), (broken, continued))]
    assert same_values(*(model / "towers" / "variables" / "variables" for model in models))
    assert warm.inputs["base"] == continued.inputs["base"] == f"Trainer/{cold.id}/model"
    report = TrainingReport.read(Model(models[1]))
    assert report.warm_start is not None
    assert report.warm_start.trainings == 1
    assert report.curve[0]["step"] == 0
    assert night(straight, *second)[1].id == warm.id, "the same night again is in the cache"
