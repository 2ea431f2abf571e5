"""Which earlier training a warm one starts from."""

from pathlib import Path

import pytest

from dataplane.errors import ConfigError, RunError
from models.spec.warm_start_config import WarmStart
from pipeline.config.config import load_config
from pipeline.create_pipeline import create_pipeline
from pipeline.execution.base_model import find_base
from pipeline.execution.metadata import Execution, Run, Step, Store

FITTED = {"transformed_examples": "transformed_examples", "transform_graph": "transform_graph"}


class Records:
    """The records of trainings, with empty artifacts."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root, "tiny")
        self.directory = str(root / "serving")

    def add(self, node: str, number: int, outputs: tuple[str, ...], inputs: dict[str, Execution]) -> Execution:
        execution = Execution(
            node=node,
            id=f"2026010{number}-000000-000000",
            component=node.removeprefix("Final"),
            fingerprint=f"{node}{number}",
            inputs={name: f"{it.node}/{it.id}/{FITTED.get(name, 'model')}" for name, it in inputs.items()},
            input_fingerprints={name: it.fingerprint for name, it in inputs.items()},
            outputs=list(outputs),
            params={},
            libraries={},
            facts={},
            run="",
            started="2026-01-01T00:00:00+00:00",
            seconds=0.0,
        )
        for output in outputs:
            (self.store.execution_directory(node, execution.id) / output).mkdir(parents=True)
        return self.store.commit(execution)

    def train(self, number: int, *, prefix: str = "", reference: Execution | None = None) -> Execution:
        transform = self.add(f"{prefix}Transform", number, tuple(FITTED), {})
        inputs = dict.fromkeys(FITTED, transform) | ({} if reference is None else {"reference": reference})
        return self.add(f"{prefix}Trainer", number, ("model",), inputs)

    def run_of(self, name: str, *executions: Execution) -> None:
        steps = [Step(it.node, "run", it.id) for it in executions]
        (self.store.directory / "runs").mkdir(exist_ok=True)
        self.store.save_run(Run(id=name, config="tiny.yaml", pid=1, state="done", steps=steps))


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path)


def inputs_of(records: Records, tmp_path: Path, *settings: str) -> dict[str, dict[str, str]]:
    """Inputs of each Trainer that belong to the base, by node."""
    file = tmp_path / "tiny.yaml"
    file.write_text("schema_version: 1\nname: tiny\ndata: {interactions: {format: synthetic}}\n")
    config = load_config(file, settings)
    base = find_base(config.training.warm_start, records.store, directory=records.directory)
    chain = create_pipeline(config, tmp_path, base)
    assert base is not None
    trainers = [node for node in chain.nodes if node.id.endswith("Trainer")]
    assert all(ref.node in base.given for node in trainers for name, ref in node.inputs.items() if "base" in name)
    return {
        node.id: {name: f"{ref.node}/{ref.output}" for name, ref in node.inputs.items() if "base" in name}
        for node in trainers
    }


def test_the_model_of_a_run_and_its_data_are_inputs_of_the_training(records: Records, tmp_path: Path) -> None:
    trained = records.train(1)
    records.run_of("first", trained)
    found = inputs_of(records, tmp_path, "training.warm_start=run:first")
    assert found["Trainer"] == {
        "base": f"Trainer/{trained.id}/model",
        "base_graph": f"Transform/{trained.id}/transform_graph",
        "base_examples": f"Transform/{trained.id}/transformed_examples",
    }


def test_a_measured_model_never_starts_from_a_final_fit(records: Records, tmp_path: Path) -> None:
    measured = records.train(1)
    final = records.train(2, prefix="Final", reference=measured)
    records.run_of("first", measured, final)
    found = inputs_of(records, tmp_path, "training.warm_start=run:first", "training.final_fit=true")
    assert found["Trainer"]["base"] == f"Trainer/{measured.id}/model"
    assert found["Trainer"]["base_examples"] == f"Transform/{measured.id}/transformed_examples"
    assert found["FinalTrainer"]["base"] == f"FinalTrainer/{final.id}/model"
    assert found["FinalTrainer"]["base_graph"] == f"FinalTransform/{final.id}/transform_graph"


def test_without_a_published_model_there_is_no_base(records: Records) -> None:
    assert find_base(WarmStart(base="published"), records.store, directory=records.directory) is None
    assert find_base(WarmStart(), records.store, directory=records.directory) is None


def test_a_published_model_without_records_is_refused_or_passed_over(
    records: Records, capsys: pytest.CaptureFixture[str]
) -> None:
    for model in ("tiny", "tiny-scann"):
        (Path(records.directory) / model / "1").mkdir(parents=True)
    with pytest.raises(RunError, match=r"the records of the served model's training are gone: .*on_mismatch: cold"):
        find_base(WarmStart(base="published"), records.store, directory=records.directory)
    settings = WarmStart(base="published", on_mismatch="cold")
    assert find_base(settings, records.store, directory=records.directory) is None
    assert "the training is cold: " in capsys.readouterr().err


def test_a_run_that_trained_nothing_is_no_base(records: Records) -> None:
    records.run_of("empty", records.add("Transform", 1, tuple(FITTED), {}))
    for name, message in (("empty", "run empty trained no model"), ("other", "no run 'other'")):
        with pytest.raises(ConfigError, match=message):
            find_base(WarmStart(base=f"run:{name}"), records.store, directory=records.directory)
