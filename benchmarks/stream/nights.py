"""Runs of the pipeline on the window of a night, and what they left."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness.pipeline_runs import latest
from benchmarks.harness.report import Record
from benchmarks.stream.world import World, moment

NAME = "stream"
METRIC = "recall@10"
REFUSED = 3
_CONFIG = """\
schema_version: 1
name: stream
data:
  interactions:
    format: parquet
    path: interactions.parquet
    columns: {query_id: query_id, candidate_id: candidate_id, timestamp: timestamp}
  candidates: {format: parquet, path: candidates.parquet, id: candidate_id}
features:
  candidate: {topic: {type: categorical}, cohort: {type: categorical}}
validation: {changes: {volume: {min_ratio: 0.7, max_ratio: 1.5}}}
split: {method: time, validation_from: VALIDATION, test_from: TEST}
model: {embedding_dim: 32, temperature: 0.1}
training: {batch_size: 512, max_epochs: 25, patience: 3, labels: next, warm_start: WARM}
evaluation: {baselines: [popularity, recent_popularity], recent_days: 3, slices: [cohort], max_churn: 0.95}
recommendations: null
"""
COLD = "off"
WARM = "{base: published, max_epochs: 2}"


class Outcome(Record):
    """What one night's run came to.

    Attributes:
        recall: of the test day, mean over the queries.
        error: standard error of `recall`.
        old: recall of pairs with candidates that are older than the stream; None if the test day has none.
        new: recall of pairs with candidates that were released during the stream.
        chosen: optimiser steps behind the chosen weights.
        steps: optimiser steps that were run.
        seconds: of the training.
        kept: share of the served model's answers that are kept; None if nothing was served.
        refused: the gate that refused the night; "" if it was published.
        start: how the training began.
    """

    recall: float
    error: float
    old: float | None
    new: float | None
    chosen: int
    steps: int
    seconds: float
    kept: float | None
    refused: str
    start: str


@dataclass(frozen=True)
class Nights:
    """The nights of one way to train.

    Attributes:
        root: root of the pipeline.
        warm_start: value of `training.warm_start`.
    """

    root: Path
    warm_start: str

    def run(self, data: Path, *, day: int, settings: Sequence[str] = ()) -> tuple[int, str]:
        """Runs the pipeline on a window that ends with `day`; returns the exit code and what was told.

        Args:
            data: directory of the window's tables.
            day: the last day, which is the test; the day before is for validation.
            settings: further `key=value` settings.
        """
        text = _CONFIG.replace("VALIDATION", moment(day - 1)).replace("TEST", moment(day))
        config = data / f"{self.root.name}.yaml"
        config.write_text(text.replace("WARM", self.warm_start), encoding="utf-8")
        options = [part for setting in settings for part in ("--set", setting)]
        command = [sys.executable, "-m", "pipeline", "run", str(config), "--root", str(self.root), *options]
        quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
        done = subprocess.run(command, capture_output=True, text=True, env=quiet)
        if done.returncode not in (0, REFUSED):
            raise SystemExit(f"night {day} of {self.root.name} failed:\n{done.stderr[-3000:]}")
        return done.returncode, done.stderr

    def outcome(self, refused: str) -> Outcome:
        """What the newest run left."""
        pipeline = self.root / NAME
        evaluation = latest(pipeline, "evaluation")
        metrics, training = _json(evaluation / "metrics.json"), _json(latest(pipeline, "model") / "training.json")
        of_queries = pq.read_table(evaluation / "per_query.parquet", columns=[METRIC])[METRIC].to_numpy()
        cohorts = metrics["slices"]["features"]["cohort"]
        churn = metrics.get("published", {}).get("churn")
        return Outcome(
            recall=float(of_queries.mean()),
            error=float(of_queries.std(ddof=1) / np.sqrt(len(of_queries))),
            old=_mean({name: it for name, it in cohorts.items() if name == "first"}),
            new=_mean({name: it for name, it in cohorts.items() if name != "first"}),
            chosen=training["steps"],
            steps=int(training["curve"][-1]["step"]),
            seconds=training["curve"][-1]["seconds"],
            kept=churn and churn["overlap"],
            refused=refused,
            start="cold" if training.get("warm_start", {"cold": "off"}).get("cold") else "warm",
        )


def write_window(world: World, days: Sequence[pa.Table], directory: Path, *, day: int) -> None:
    """Writes the tables of a night: the events of the last days, and all candidates released by then."""
    directory.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.concat_tables(days[-world.size.window :]), directory / "interactions.parquet")
    world.write_candidates(directory / "candidates.parquet", day=day)


def _mean(cohorts: Mapping[str, Mapping[str, float]]) -> float | None:
    pairs = sum(it["pairs"] for it in cohorts.values())
    return sum(it["pairs"] * it[METRIC] for it in cohorts.values()) / pairs if pairs else None


def _json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))
