"""One row of the quality table, in a process of its own: a baseline with what it chooses, or a system with one seed.

    python -m benchmarks.references.quality_side baseline NAME CONFIG PREPARED OUTPUT AT METRIC CHOICES
    python -m benchmarks.references.quality_side system   SEED CONFIG PREPARED OUTPUT AT METRIC CHOICES

OUTPUT/row.json has validation and test metrics, OUTPUT/per_query.npz those of each query of the test by name.
"""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.references.datasets import Prepared, prepare
from benchmarks.references.histories import BASELINES, History
from components.artifacts import Blessing, Evaluation, Model
from components.base import ExecutionContext
from components.evaluation.retrieval_task import RetrievalTask, retrieval_task
from components.evaluator import EvaluationConfig, Evaluator, EvaluatorParams
from components.sequences import read_dataset
from components.trainer import Trainer, TrainerParams
from models.metrics import mean_metrics, query_metrics
from models.ranking import Scorer, rank_candidates
from pipeline.config import load_config

PER_QUERY = ("hit_rate", "ndcg", "recall")


def baseline(name: str, prepared: Prepared, output: Path, *, at: int, metric: str, choices: int) -> dict[str, Any]:
    """Tries so many choices on validation and measures the best on test."""
    method, dataset = BASELINES[name], read_dataset(prepared.examples)
    train, candidates = dataset.events.select(["train"]), len(dataset.candidates)
    refusal = method.refusal(dataset, train)
    if refusal is not None:
        return {"skipped": refusal}
    remove_seen = prepared.config.remove_seen
    tasks = {name: retrieval_task(dataset, name, remove_seen=remove_seen) for name in ("validation", "test")}
    best: dict[str, Any] = {}
    for choice in method.choices[:choices]:
        start = time.perf_counter()
        fitted = method.fit(dataset, train, choice)
        seconds = time.perf_counter() - start
        histories = {name: History(task.history, task.query_rows) for name, task in tasks.items()}
        values = _values(method.scorer(fitted, histories["validation"], choice), tasks["validation"], at)
        found = float(values[metric].mean())
        if not best or found > best["validation"][metric]:
            test = _values(method.scorer(fitted, histories["test"], choice), tasks["test"], at)
            best = {"validation": mean_metrics(values), "test": mean_metrics(test), "choice": choice, "fit": seconds}
            _write_per_query(output, test, at)
    known = dataset.train_count[tasks["test"].relevant.rows] > 0
    return best | {"chance": at / candidates, "new_pairs": int((~known).sum())}


def _values(scorer: Scorer, task: RetrievalTask, at: int) -> dict[str, np.ndarray]:
    ranking = rank_candidates(scorer, relevant=task.relevant, excluded=task.excluded, depth=at)
    return query_metrics(ranking.ranks, task.relevant.offsets, [at])


def _write_per_query(output: Path, values: Mapping[str, np.ndarray], at: int) -> None:
    kept: dict[str, Any] = {name: values[f"{name}@{at}"].astype(np.float32) for name in PER_QUERY}
    np.savez(output / "per_query.npz", **kept)


def system(seed: int, prepared: Prepared, output: Path, *, at: int) -> dict[str, Any]:
    """Trains and evaluates a configuration with one seed."""
    config, context = prepared.config, ExecutionContext(progress=lambda line: print(line, flush=True))
    model, evaluation = Model(output / "model"), Evaluation(output / "evaluation")
    training = config.training.model_copy(update={"final_fit": False})
    trainer = Trainer(TrainerParams(model=config.model, training=training, remove_seen=config.remove_seen, seed=seed))
    trainer.execute(Trainer.Inputs(prepared.examples, prepared.graph), Trainer.Outputs(model), context)
    measured = Evaluator(
        EvaluatorParams(
            evaluation=EvaluationConfig(at=(at,), main_at=at, baselines=()), remove_seen=config.remove_seen, seed=seed
        )
    )
    outputs = Evaluator.Outputs(evaluation, Blessing(output / "blessing"))
    measured.execute(Evaluator.Inputs(prepared.examples, prepared.graph, model), outputs, context)
    table, metrics = pq.read_table(evaluation.path / "per_query.parquet"), evaluation.read_json("metrics.json")
    _write_per_query(output, {name: table[name].to_numpy() for name in table.column_names if "@" in name}, at)
    fit = model.read_json("training.json")
    kept = {name: metrics[name] for name in ("validation", "test")}
    slices = {name: metrics["slices"][name] for name in ("query", "candidate")}
    return kept | {"slices": slices, "fit": fit["seconds"], "loss": fit["loss"], "steps": fit["steps"]}


def main(kind: str, name: str, config: str, prepared: str, output: str, at: str, metric: str, choices: str) -> None:
    """Makes the row; what is there afterwards is whole."""
    data, directory = prepare(load_config(Path(config)), Path(prepared)), Path(output)
    directory.mkdir(parents=True, exist_ok=True)
    if kind == "baseline":
        row = baseline(name, data, directory, at=int(at), metric=metric, choices=int(choices))
    else:
        row = system(int(name), data, directory, at=int(at))
    part = directory / "row.json.part"
    part.write_text(json.dumps(row, indent=2) + "\n", encoding="utf-8")
    part.rename(directory / "row.json")


if __name__ == "__main__":
    main(*sys.argv[1:])
