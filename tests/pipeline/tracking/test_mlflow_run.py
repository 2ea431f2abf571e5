"""Runs on a real MLflow server: what is logged, and that a broken tracking loses nothing."""

from pathlib import Path
from typing import Any

import pytest

from dataplane.artifacts.pushed_model import Push
from dataplane.errors import RefusedError
from pipeline.config.config import PipelineConfig, load_config
from pipeline.execution.metadata import Run
from pipeline.execution.progress import PlainProgress
from pipeline.execution.session import Session
from pipeline.reporting.writing import reported
from pipeline.tracking.tracked import tracked
from serving.published.model_cards import CARD_FILES
from tests.paths import PROJECT
from tests.pipeline.reporting.small_run import TRAINING, Runs, documents

SETTINGS = {
    "schema_version": 1,
    "name": "toy",
    "data": {"interactions": {"format": "synthetic"}},
    "training": {"batch_size": 77},
}


def tracking(uri: str) -> PipelineConfig:
    return load_config(PROJECT / "tfx_config" / "quickstart.yaml", [f"tracking.mlflow={uri}"])


def session(runs: Runs, run: Run, uri: str, warnings: list[str]) -> Session:
    runs.store._tell = warnings.append
    return Session(tracking(uri), runs.store, run, PlainProgress("toy"))


def published(runs: Runs, name: str, *, new: bool) -> dict[Any, Any]:
    """The documents of a run that published a version with a card."""
    model = runs.root / "serving" / name
    for file in CARD_FILES:
        (model / file).parent.mkdir(parents=True, exist_ok=True)
        (model / file).write_text(f"card of {name}")
    return documents() | {("Pusher", "pushed_model"): [Push(version=4, exact=str(model), scann="/s", new=new)]}


@pytest.mark.slow
def test_published_refused_and_cached_runs_are_on_the_server(
    mlflow_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "HUSH-name")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "HUSH-password")
    runs, warnings = Runs(tmp_path), list[str]()
    for name, new in (("r1", True), ("r2", False)):
        run = runs.add(name, wrote=published(runs, name, new=new), settings=SETTINGS)
        with tracked(opened := session(runs, run, mlflow_server, warnings)), reported(opened):
            pass
    refused = runs.add("r3", state="refused", message="not blessed: too low\nmore", ended_by="Evaluator")
    with (
        pytest.raises(RefusedError, match=r"^not blessed"),
        tracked(opened := session(runs, refused, mlflow_server, warnings)),
        reported(opened),
    ):
        raise RefusedError("not blessed")
    assert warnings == []
    told = capfd.readouterr()
    assert (told.out, {line.split(" ")[2] for line in told.err.splitlines()}) == ("", {"Tracking:"}), (
        "nothing of MLflow"
    )
    client = MlflowClient(mlflow_server)
    experiment = client.get_experiment_by_name("toy").experiment_id
    third, second, first = client.search_runs([experiment], order_by=["tags.run DESC"])
    assert first.data.params["training.batch_size"] == "77"
    assert first.data.params["seed"] == "42", "defaults too"
    assert first.data.metrics["test/recall_at_10"] == 0.5
    assert first.data.metrics["test/ndcg_at_10/lower"] == 0.25
    assert first.data.metrics["popularity/recall_at_10"] == 0.25
    curve = client.get_metric_history(first.info.run_id, "training/ndcg_at_10")
    assert [(point.step, point.value) for point in curve] == [(it["step"], it["ndcg@10"]) for it in TRAINING["curve"]]  # type: ignore[index, attr-defined]
    assert (first.info.status, second.info.status, third.info.status) == ("FINISHED", "FINISHED", "FAILED")
    assert (first.data.tags["version"], first.data.tags["published"], second.data.tags["published"]) == (
        "4",
        "yes",
        "no",
    )
    assert third.data.tags["message"] == "not blessed: too low"
    page = Path(client.download_artifacts(first.info.run_id, "report.html", str(tmp_path))).read_text()
    assert page == runs.store.report_file(runs.store.runs()[0]).read_text()
    files = {file.path for file in client.list_artifacts(first.info.run_id, "published")}
    assert files == {"published/version.json", "published/model_card.json", "published/model_card.md"}
    (registered,) = client.search_model_versions("name='toy'")
    assert (registered.run_id, registered.tags["version"]) == (first.info.run_id, "4")
    kept = [file for file in tmp_path.rglob("*") if file.is_file() and b"HUSH" in file.read_bytes()]
    assert kept == []


def test_a_server_that_is_away_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "HUSH")
    runs, warnings = Runs(tmp_path), list[str]()
    run = runs.add("r1", settings=SETTINGS)
    with tracked(opened := session(runs, run, "http://127.0.0.1:9", warnings)), reported(opened):
        pass
    (told,) = warnings
    assert told.startswith("the run is not on http://127.0.0.1:9 (MlflowException: ")
    assert told.endswith("everything else of the run is complete, and the log has the traceback")
    assert runs.store.report_file(run).exists()
    assert [it.state for it in runs.store.runs()] == ["done"]


@pytest.mark.parametrize("why", ["interrupted", "not asked for", "did not begin"])
def test_such_a_run_is_not_tracked(why: str, tmp_path: Path) -> None:
    runs, warnings = Runs(tmp_path), list[str]()
    run = runs.add("r1", wrote={})
    opened = session(runs, run, "http://127.0.0.1:9", warnings)
    if why == "did not begin":
        run.finished = ""
    if why == "not asked for":
        opened = Session(load_config(PROJECT / "tfx_config" / "quickstart.yaml"), runs.store, run, opened.progress)
    if why == "interrupted":
        with pytest.raises(KeyboardInterrupt), tracked(opened):
            raise KeyboardInterrupt
    else:
        with tracked(opened):
            pass
    assert warnings == []
