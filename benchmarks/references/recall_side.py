"""How long training takes until validation finds as much as is asked, in a process of its own.

    python -m benchmarks.references.recall_side SIDE CONFIG PREPARED METRIC TARGET OUTPUT.json

SIDE `tutorial` and `ials` train to their own best and tell it (TARGET is 0); `ours` says when it has found TARGET.
Clocks start when training is called, with the data encoded. The tutorial's runs while it trains, metrics on as
published, and stands still while it is validated; ours runs while it validates, too.
"""

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.references.datasets import Prepared, prepare
from benchmarks.references.histories import BASELINES, History
from components.trainer import TrainerParams
from dataplane.artifacts import Model
from dataplane.dataset.retrieval_task import RetrievalTask, retrieval_task
from dataplane.dataset.sequences import read_dataset
from models.ranking.metrics import query_metrics
from models.ranking.ranking import EmbeddingScorer, Scorer, rank_candidates
from models.spec.trials import temperatures_to_try
from pipeline.config.config import load_config

_TUTORIAL_BATCH = 8192
_TUTORIAL_DIM = 32
_MOST_EPOCHS = 60
_PATIENCE = 5
_LOOK = 100  # steps


def tutorial(prepared: Prepared, metric: str) -> dict[str, Any]:
    """The basic retrieval tutorial as published, but trained until its validation recall stays behind for 5 epochs."""
    from benchmarks.references.tutorial import Tutorial, batches, compiled

    dataset = read_dataset(prepared.examples)
    train, task = dataset.events.select(["train"]), _validation(prepared)
    queries, candidates = (np.array(side.ids.to_pylist()) for side in (dataset.queries, dataset.candidates))
    columns = {"query_id": queries[train.queries()], "candidate_id": candidates[train.candidate]}
    model = compiled(Tutorial(queries, candidates, dim=_TUTORIAL_DIM, dense=False, metrics=True))
    events = batches(columns, _TUTORIAL_BATCH)
    best, best_seconds, seconds, stale = -1.0, 0.0, 0.0, 0
    for _ in range(_MOST_EPOCHS):
        start = time.perf_counter()
        model.fit(events, verbose=0)
        seconds += time.perf_counter() - start
        vectors = model.query_model(queries[task.query_rows]).numpy(), model.candidate_model(candidates).numpy()
        found, stale = _found(EmbeddingScorer(*vectors), task, metric), stale + 1
        if found > best:
            best, best_seconds, stale = found, seconds, 0
        if stale == _PATIENCE:
            break
    return {"found": best, "seconds": best_seconds}


def ials(prepared: Prepared, metric: str) -> dict[str, Any]:
    """IALS with the best of its choices; the seconds are those of that fit."""
    dataset, task, method = read_dataset(prepared.examples), _validation(prepared), BASELINES["iALS"]
    train, best = dataset.events.select(["train"]), {"found": -1.0}
    for choice in method.choices:
        start = time.perf_counter()
        fitted = method.fit(dataset, train, choice)
        seconds = time.perf_counter() - start
        scorer = method.scorer(fitted, History(task.history, task.query_rows), choice)
        found = _found(scorer, task, metric)
        if found > best["found"]:
            best = {"found": found, "seconds": seconds, "choice": choice}
    return best


class _Reached(Exception):  # noqa: N818 - not an error: it ends the training
    """The target is reached; with the curve's entry."""


def ours(prepared: Prepared, metric: str, target: float) -> dict[str, Any]:
    """The configuration until a validation finds the target, looking every `_LOOK` steps.

    Like iALS with what validation has chosen, it has the temperature that would be tried first.
    """
    from components.trainer.executor import train

    config = prepared.config
    temperature = temperatures_to_try(config.model, config.training.loss.type)[0]
    params = TrainerParams(
        model=config.model.model_copy(update={"temperature": temperature}),
        training=config.training.model_copy(update={"validation_steps": _LOOK, "patience": 3 * _PATIENCE}),
        remove_seen=config.remove_seen,
        seed=1,
    )

    def validated(entry: Mapping[str, float]) -> None:
        if entry[metric] >= target:
            raise _Reached(entry)

    with tempfile.TemporaryDirectory() as directory, tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        try:
            report = train(
                prepared.examples, prepared.graph, Model(Path(directory)), params=params, reference=None, resume=None,
                progress=lambda line: None, scratch=Path(scratch), validated=validated,
            )  # fmt: skip
        except _Reached as reached:
            entry = reached.args[0]
            return {"found": entry[metric], "seconds": time.perf_counter() - start, "steps": entry["step"]}
    return {"found": max(entry[metric] for entry in report.curve), "seconds": None}


def _validation(prepared: Prepared) -> RetrievalTask:
    dataset = read_dataset(prepared.examples)
    return retrieval_task(dataset, "validation", remove_seen=prepared.config.remove_seen)


def _found(scorer: Scorer, task: RetrievalTask, metric: str) -> float:
    at = int(metric.partition("@")[2])
    ranking = rank_candidates(scorer, relevant=task.relevant, excluded=task.excluded, depth=at)
    return float(query_metrics(ranking.ranks, task.relevant.offsets, [at])[metric].mean())


def main(side: str, config: str, prepared: str, metric: str, target: str, output: str) -> None:
    """Writes what was found and after how many seconds as JSON."""
    import models  # noqa: F401 - chooses Keras 2 before TensorFlow is imported

    data = prepare(load_config(Path(config)), Path(prepared))
    if side == "ours":
        result = ours(data, metric, float(target))
    else:
        result = {"tutorial": tutorial, "ials": ials}[side](data, metric)
    Path(output).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
