"""What a run writes for Prometheus, and that figures which cannot be written change nothing."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dataplane.errors import ConfigError, RefusedError
from pipeline.config.config import load_config
from pipeline.execution.metadata import Run
from pipeline.execution.progress import PlainProgress
from pipeline.execution.session import Session
from pipeline.monitoring.exposition import HELP, PREFIX
from pipeline.monitoring.metered import metered
from tests.paths import PROJECT
from tests.pipeline.notifying.receiver import receiver
from tests.pipeline.reporting.small_run import Runs

QUICKSTART = PROJECT / "tfx_config" / "quickstart.yaml"


def session(runs: Runs, run: Run, settings: Sequence[str], warnings: list[str]) -> Session:
    runs.store._tell = warnings.append
    return Session(load_config(QUICKSTART, settings), runs.store, run, PlainProgress("toy"))


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """The figures by name and by the values of their labels, the pipeline aside."""
    return {
        (sample.name.removeprefix(PREFIX), tuple(it for key, it in sample.labels.items() if key != "pipeline")): value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        for value in [sample.value]
        if sample.labels["pipeline"] == "toy"
    }


def test_a_run_writes_its_figures_and_what_went_before(tmp_path: Path) -> None:
    runs, file = Runs(tmp_path), tmp_path / "node" / "toy.prom"
    runs.add("r1")
    execution = runs.store.latest("Trainer")
    assert execution is not None
    runs.store.commit(replace(execution, resources={"cpu_seconds": 2.5, "peak_memory_bytes": 1e9}))
    warnings: list[str] = []
    with metered(session(runs, runs.store.runs()[0], [f"metrics.textfile={file}"], warnings)):
        pass
    told = samples(file.read_text())
    assert {name for name, _ in told} == set(HELP)
    assert told["run_state", ("done",)] == 1
    assert told["run_seconds", ()] == 125
    assert (told["step_seconds", ("Trainer",)], told["step_cpu_seconds", ("Trainer",)]) == (1.5, 2.5)
    assert told["step_output_bytes", ("Trainer",)] > 100
    assert told["table_rows", ("interactions",)] == 10
    assert told["anomalies", ("warning",)] == 1
    assert told["test_metric", ("ndcg@10",)] == 0.3
    assert told["published_version", ()] == 4
    refused = runs.add("r2", state="refused", ended_by="Evaluator")
    with (
        pytest.raises(RefusedError),
        metered(session(runs, refused, [f"metrics.textfile={file}"], warnings)),
    ):
        raise RefusedError("no")
    later = samples(file.read_text())
    assert (later["run_state", ("refused",)], later["run_state", ("done",)]) == (1, 0)
    assert later["last_run_timestamp_seconds", ("done",)] == told["last_run_timestamp_seconds", ("done",)]
    assert later["published_version", ()] == 4
    assert (warnings, list(file.parent.iterdir())) == ([], [file])


def test_a_gateway_gets_the_same_figures(tmp_path: Path) -> None:
    runs, file, warnings = Runs(tmp_path), tmp_path / "toy.prom", list[str]()
    with receiver() as got:
        settings = [f"metrics.pushgateway={got.address}", f"metrics.textfile={file}"]
        with metered(session(runs, runs.add("r1"), settings, warnings)):
            pass
    assert got.paths == ["/services/HUSH/metrics/job/tfrs_pipeline/pipeline/toy"]
    assert got.bodies == [file.read_text()]
    assert warnings == []


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("metrics.textfile=/proc/no/toy.prom", "the metrics could not be written (FileNotFoundError: "),
        ("metrics.pushgateway=http://127.0.0.1:9", "the metrics are not on http://127.0.0.1:9: the server cannot be"),
    ],
)
def test_figures_that_are_lost_are_a_warning(
    setting: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.monitoring.metered._SECONDS", 0.1)
    runs, warnings = Runs(tmp_path), list[str]()
    with metered(session(runs, runs.add("r1"), [setting], warnings)):
        pass
    (warning,) = warnings
    assert warning.startswith(told)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("metrics.textfile=toy.txt", "the name must end in .prom"),
        ("metrics.pushgateway=http://me:HUSH@host:9091", "must not hold credentials"),
        ("metrics.pushgateway=host:9091", "begins with http:// or https://"),
    ],
)
def test_other_places_are_refused(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        load_config(QUICKSTART, [setting])
    assert "HUSH" not in str(refused.value)
