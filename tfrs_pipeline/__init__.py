"""Runs pipelines and looks at their results from Python.

>>> import tfrs_pipeline as tp
>>> run = tp.run("mine.yaml", training={"max_epochs": 5})
>>> run.metrics["ndcg@10"]
>>> run.recommend("42", k=3)
>>> tp.load("runs", "mine").report().open()

The command line does the same with the same code. What it tells and ends with an exit code for is an exception here.
"""

from dataplane.errors import (
    ConfigError,
    DataError,
    DivergedError,
    InternalError,
    PipelineError,
    RefusedError,
    RunError,
)
from tfrs_pipeline.pages import Report
from tfrs_pipeline.results import Run
from tfrs_pipeline.running import init, load, run, runs
from tfrs_pipeline.tables import Metrics, Table

__all__ = [
    "ConfigError",
    "DataError",
    "DivergedError",
    "InternalError",
    "Metrics",
    "PipelineError",
    "RefusedError",
    "Report",
    "Run",
    "RunError",
    "Table",
    "init",
    "load",
    "run",
    "runs",
]
