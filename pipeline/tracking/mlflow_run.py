"""Logs a run on an MLflow server: parameters, curves, metrics, report, model card and published version."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dataplane.artifacts.pushed_model import Push
from dataplane.errors import RunError
from dataplane.files import objects, storage
from pipeline.reporting.facts import RunFacts
from pipeline.tracking.tracked_facts import allowed, parameters, points, tags
from serving.published.model_cards import CARD_FILES

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Settings of the client, unless the environment has others: no news to others, and an end without long waits."""
_MOST_PARAMETERS, _MOST_METRICS = 100, 1000
"""The most that a server takes in one request."""
_PUBLISHED = "published"
ItemT = TypeVar("ItemT")


def log_run(uri: str, facts: RunFacts, report: Path) -> str:
    """Logs a finished run in the experiment that is called as its pipeline; returns the run's address.

    Args:
        uri: address of the server.
        facts: the run.
        report: the report's file, which may be missing.

    Raises:
        Exception: the server cannot be reached, or refuses something.
    """
    with _client_settings():
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        client = MlflowClient(uri, uri)
        run = _create(client, facts)
        run_id, experiment = run.info.run_id, run.info.experiment_id
        values = [Param(name, value) for name, value in parameters(facts).items()]
        for some in _batches(values, _MOST_PARAMETERS):
            client.log_batch(run_id, params=some)
        moment = _milliseconds(facts.run.finished)
        measured = [Metric(allowed(it.name), float(it.value), moment, it.step) for it in points(facts)]
        for many in _batches(measured, _MOST_METRICS):
            client.log_batch(run_id, metrics=many)
        if report.exists():
            client.log_text(run_id, report.read_text(encoding="utf-8"), "report.html")
        if facts.documents.push is not None:
            _log_version(client, run, facts.pipeline, facts.documents.push)
        client.set_terminated(run_id, "FINISHED" if facts.run.state == "done" else "FAILED", moment)
    return f"{uri}/#/experiments/{experiment}/runs/{run_id}"


@contextmanager
def _client_settings() -> Iterator[None]:
    missing = {name: value for name, value in _SETTINGS.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)


def _create(client: "MlflowClient", facts: RunFacts) -> "Run":
    found = client.get_experiment_by_name(facts.pipeline)
    experiment = found.experiment_id if found else client.create_experiment(facts.pipeline)
    return client.create_run(
        experiment, start_time=_milliseconds(facts.run.started), tags=tags(facts), run_name=facts.run.id
    )


def _log_version(client: "MlflowClient", run: "Run", name: str, push: Push) -> None:
    """Logs where the model is served, with its card; a version that this run published is registered.

    Raises:
        mlflow.exceptions.MlflowException: the server refuses the version.
    """
    from mlflow.exceptions import MlflowException

    places = {"version": str(push.version), "exact": push.exact, "scann": push.scann}
    client.log_text(run.info.run_id, json.dumps(places, indent=2), f"{_PUBLISHED}/version.json")
    for file, text in _card(push).items():
        client.log_text(run.info.run_id, text, f"{_PUBLISHED}/{file}")
    if not push.new:
        return
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"{run.info.artifact_uri}/{_PUBLISHED}"
    client.create_model_version(name, source, run.info.run_id, tags=places, await_creation_for=0)


def _card(push: Push) -> Mapping[str, str]:
    """The model card of a published version by file name; empty if the version has none or is gone."""
    found = {}
    for file in CARD_FILES:
        try:
            if storage.is_remote(push.exact):
                content = objects.read_bytes(storage.join(push.exact, file.as_posix()))
            else:
                content = (Path(push.exact) / file).read_bytes()
        except (OSError, RunError):
            continue
        found[file.name] = content.decode()
    return found


def _batches(items: Sequence[ItemT], most: int) -> Iterator[Sequence[ItemT]]:
    for start in range(0, len(items), most):
        yield items[start : start + most]


def _milliseconds(moment: str) -> int:
    """An ISO moment in Unix milliseconds."""
    return int(datetime.fromisoformat(moment).timestamp() * 1000)
