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
from components.base import ExecutionContext
from components.evaluator import EvaluationConfig, Evaluator, EvaluatorParams
from components.evaluator.executor import two_tower_scorer
from components.trainer import Trainer, TrainerParams
from dataplane.artifacts import Blessing, Evaluation, Model
from dataplane.artifacts.evaluation import Metrics
from dataplane.artifacts.model import TrainingReport
from dataplane.artifacts.transform_graph import read_spec
from dataplane.beam_runner import InProcess
from dataplane.dataset.embedding import candidate_embeddings, first_contexts
from dataplane.dataset.retrieval_task import RetrievalTask, retrieval_task
from dataplane.dataset.sequences import read_dataset
from models.ranking.metrics import mean_metrics, query_metrics
from models.ranking.ranking import CandidateLists, Scorer, rank_candidates
from pipeline.config.config import load_config

_BLOCK = 256
"""Queries that are scored at once."""

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
            scorer = method.scorer(fitted, histories["test"], choice)
            test = _values(scorer, tasks["test"], at)
            best = {"validation": mean_metrics(values), "test": mean_metrics(test), "choice": choice, "fit": seconds}
            best["new_auc"] = new_auc(scorer, tasks["test"], dataset.train_count)
            _write_per_query(output, test, at)
    known = dataset.train_count[tasks["test"].relevant.rows] > 0
    return best | {"chance": at / candidates, "new_pairs": int((~known).sum())}


def _values(scorer: Scorer, task: RetrievalTask, at: int) -> dict[str, np.ndarray]:
    ranking = rank_candidates(scorer, relevant=task.relevant, excluded=task.excluded, depth=at)
    return query_metrics(ranking.ranks, task.relevant.offsets, [at])


def new_auc(scorer: Scorer, task: RetrievalTask, train_count: np.ndarray) -> float | None:
    """How well candidates without a training event are ranked among themselves: 1 is best, .5 chance.

    That is the share of the others, seen ones left out, that score less than the one to be found, equal ones counting
    half; a mean over the pairs of a query and a new candidate to be found. None if there is none.
    """
    new = np.asarray(train_count) == 0
    place, shares = np.where(new, np.cumsum(new) - 1, -1), [np.empty(0)]

    def of_new(lists: CandidateLists, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        query, column = lists.queries(start, stop), place[lists.entries(start, stop)]
        return query[column >= 0], column[column >= 0]

    for start in range(0, len(task.query_rows), _BLOCK):
        stop = min(start + _BLOCK, len(task.query_rows))
        query, wanted = of_new(task.relevant, start, stop)
        if not len(query):
            continue
        scores = scorer.scores(start, stop)[:, new]
        scores[of_new(task.excluded, start, stop)] = np.nan
        found, of_query = scores[query, wanted][:, None], scores[query]
        others = np.maximum((~np.isnan(of_query)).sum(axis=1) - 1, 1)
        shares.append(((of_query < found).sum(axis=1) + 0.5 * ((of_query == found).sum(axis=1) - 1)) / others)
    every = np.concatenate(shares)
    return float(every.mean()) if len(every) else None


def _write_per_query(output: Path, values: Mapping[str, np.ndarray], at: int) -> None:
    kept: dict[str, Any] = {name: values[f"{name}@{at}"].astype(np.float32) for name in PER_QUERY}
    np.savez(output / "per_query.npz", **kept)


def system(seed: int, prepared: Prepared, output: Path, *, at: int) -> dict[str, Any]:
    """Trains and evaluates a configuration with one seed."""
    config, context = prepared.config, ExecutionContext(beam=InProcess(), progress=lambda line: print(line, flush=True))
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
    table, metrics = pq.read_table(evaluation.path / "per_query.parquet"), Metrics.read(evaluation)
    _write_per_query(output, {name: table[name].to_numpy() for name in table.column_names if "@" in name}, at)
    fit, data = TrainingReport.read(model), read_dataset(prepared.examples)
    task = retrieval_task(data, "test", remove_seen=config.remove_seen)
    candidates, contexts = candidate_embeddings(model, data, context), first_contexts(task.held_out, task.query_rows)
    spec = read_spec(prepared.graph)
    scorer = two_tower_scorer(model, data, spec, task, candidates, contexts, context)
    kept: dict[str, Any] = {"validation": metrics.validation, "test": metrics.test}
    slices = {"query": metrics.slices.query, "candidate": metrics.slices.candidate}
    told = {"loss": fit.loss, "temperature": fit.temperature, "labels": fit.labels, "steps": fit.steps}
    auc = new_auc(scorer, task, data.train_count)
    return kept | told | {"slices": slices, "fit": fit.seconds, "new_auc": auc}


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
