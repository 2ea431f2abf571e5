"""Every night at 2:30, as an Airflow 3 DAG: put this file into the DAGs folder.

The steps are the pipeline's own, so a retry continues where the run stopped and one task is enough. Exit codes 2
(configuration) and 3 (refused by a gate) would be the same at a second try and fail the task at once.
"""

import subprocess
from datetime import datetime, timedelta

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowFailException

PROJECT = "/srv/recommender"
PYTHON = f"{PROJECT}/.venv/bin/python"
FINAL = (2, 3)


@dag(schedule="30 2 * * *", start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1)
def shop_recommender() -> None:
    """Trains and publishes, then deletes what old runs left."""

    @task(retries=2, retry_delay=timedelta(minutes=10), execution_timeout=timedelta(hours=6))
    def run() -> None:
        _pipeline("run", "shop.yaml")

    @task
    def clean() -> None:
        _pipeline("clean", "shop", "--keep-runs", "7")

    run() >> clean()


def _pipeline(*arguments: str) -> None:
    done = subprocess.run([PYTHON, "-m", "pipeline", *arguments], cwd=PROJECT, check=False)  # noqa: S603
    if done.returncode in FINAL:
        raise AirflowFailException(f"exit code {done.returncode}, see the task's log")
    done.check_returncode()


shop_recommender()
