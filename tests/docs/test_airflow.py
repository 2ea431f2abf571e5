"""Airflow runs its DAG: a task for each step, over the span of its data interval."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from pipeline.cli import build_parser
from pipeline.config.config import load_config
from pipeline.create_pipeline import create_pipeline
from pipeline.execution.metadata import Store
from serving.published.publishing import Publisher
from tests.paths import PROJECT

DAG = PROJECT / "tfx_config" / "schedules" / "airflow_dag.py"
AIRFLOW = os.environ.get("AIRFLOW") or shutil.which("airflow") or ""
"""The command `airflow` of an environment with Airflow 3."""
CONFIG = {
    "schema_version": 1,
    "name": "shop",
    "data": {
        "interactions": {
            "format": "csv",
            "path": "events/{SPAN}.csv",
            "columns": {"query_id": "user", "candidate_id": "item", "timestamp": "at"},
        },
        "spans": {"last": 2},
    },
    "model": {"embedding_dim": 16, "temperature": 0.1},
    "training": {"max_epochs": 3, "batch_size": 64, "learning_rate": 0.02},
    "evaluation": {"min_lift_over_popularity": None},
}


def value(name: str) -> object:
    """A constant of the DAG's file, which this environment cannot import."""
    assigned = [node for node in ast.walk(ast.parse(DAG.read_text())) if isinstance(node, ast.Assign)]
    (found,) = [node.value for node in assigned if isinstance(node.targets[0], ast.Name) and node.targets[0].id == name]
    return ast.literal_eval(found)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A configuration and events of two days: everybody goes from item to item."""
    (tmp_path / "events").mkdir()
    for place, day in enumerate([20, 21]):
        midnight = int(datetime(2026, 11, day, tzinfo=UTC).timestamp())
        rows = [f"u{u},i{(7 * u + 5 * place + n) % 60},{midnight + 100 * u + n}" for u in range(60) for n in range(5)]
        (tmp_path / "events" / f"2026-11-{day}.csv").write_text("\n".join(["user,item,at", *rows, ""]))
    (tmp_path / "shop.yaml").write_text(yaml.safe_dump(CONFIG))
    return tmp_path


def test_there_is_a_task_for_each_step(project: Path) -> None:
    steps = [node.id for node in create_pipeline(load_config(project / "shop.yaml"), project / "runs").nodes]
    assert list(value("STEPS")) == steps  # type: ignore[call-overload]


def test_tasks_are_commands() -> None:
    for command in ("run shop.yaml --until Trainer --span 2026-11-21", "clean shop --keep-runs 77"):
        assert build_parser().parse_args(shlex.split(command)).execute


@pytest.mark.slow
def test_airflow_runs_a_night(project: Path) -> None:
    if not AIRFLOW:
        pytest.skip("needs Airflow: AIRFLOW=…/bin/airflow of an environment with `pip install 'apache-airflow>=3'`")
    (project / "dags").mkdir()
    dag = DAG.read_text()
    dag = re.sub(r"^PROJECT = .*$", f"PROJECT = {str(project)!r}", dag, flags=re.MULTILINE)
    dag = re.sub(r"^PYTHON = .*$", f"PYTHON = {sys.executable!r}", dag, flags=re.MULTILINE)
    (project / "dags" / "airflow_dag.py").write_text(dag)
    settings = {"CORE__DAGS_FOLDER": str(project / "dags"), "CORE__LOAD_EXAMPLES": "False"}
    environment = os.environ | {f"AIRFLOW__{name}": value for name, value in settings.items()}
    environment |= {"AIRFLOW_HOME": str(project / "airflow"), "PYTHONPATH": str(PROJECT)}
    for command in (["db", "migrate"], ["dags", "test", "shop_recommender", "2026-11-22T03:00:00"]):
        done = subprocess.run([AIRFLOW, *command], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-5000:]
    runs = Store(project / "runs", "shop").runs()
    assert [run.steps[-1].node for run in runs] == list(value("STEPS"))  # type: ignore[call-overload]
    assert [sum(step.state == "run" for step in run.steps) for run in runs] == [1] * len(runs)
    assert len(Publisher(project / "runs" / "serving", "shop").versions()) == 1
