"""Every night at 2:30 UTC, as an Airflow 3 DAG with a task for each step: put this file into the DAGs folder.

A task runs the pipeline up to its step. What the tasks before it did is not done again, so each can be retried alone,
and a retry continues where its step stopped. The span is the day of the data interval, so that
`airflow backfill create --dag-id shop_recommender --from-date 2026-11-01 --to-date 2026-11-21` reads one day after the
other. A run that somebody triggers by hand reads the newest span. Without {SPAN} in `data.interactions.path`, set
SPANS to False.

Exit codes 2 (configuration) and 3 (refused by a gate) would be the same at a second try and fail the task at once.
"""

import subprocess
from datetime import datetime, timedelta

from airflow.sdk import CronDataIntervalTimetable, chain, dag, task
from airflow.sdk.exceptions import AirflowFailException

PROJECT = "/srv/recommender"
PYTHON = f"{PROJECT}/.venv/bin/python"
CONFIG = "shop.yaml"
PIPELINE = "shop"
SPANS = True
STEPS = (
    "ExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "Transform",
    "Trainer",
    "Evaluator",
    "ScannIndexer",
    "InfraValidator",
    "Pusher",
    "BulkInferrer",
)
FINAL = (2, 3)


@dag(
    schedule=CronDataIntervalTimetable("30 2 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
)
def shop_recommender() -> None:
    """Trains and publishes, step by step, then deletes what old runs left."""

    @task(retries=2, retry_delay=timedelta(minutes=10), execution_timeout=timedelta(hours=6))
    def run(step: str, data_interval_start: datetime | None = None) -> None:
        span = ["--span", f"{data_interval_start:%Y-%m-%d}"] if SPANS and data_interval_start else []
        _pipeline("run", CONFIG, "--until", step, *span)

    @task
    def clean() -> None:
        _pipeline("clean", PIPELINE, "--keep-runs", str(7 * len(STEPS)))  # each task is a run: a week

    chain(*[run.override(task_id=step)(step) for step in STEPS], clean())


def _pipeline(*arguments: str) -> None:
    done = subprocess.run([PYTHON, "-m", "pipeline", *arguments], cwd=PROJECT, check=False)  # noqa: S603
    if done.returncode in FINAL:
        raise AirflowFailException(f"exit code {done.returncode}, see the task's log")
    done.check_returncode()


shop_recommender()
