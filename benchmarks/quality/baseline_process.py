"""A baseline with all its choices, of which validation picks one, in a process of its own."""

import time

import numpy as np

from benchmarks.baselines.history import History
from benchmarks.baselines.methods import BASELINES
from benchmarks.datasets.prepared import prepare
from benchmarks.harness.processes import answer
from benchmarks.quality.new_candidates import new_auc
from benchmarks.quality.per_query import write_per_query
from benchmarks.quality.tasks import BaselineTask, Run
from dataplane.dataset.retrieval_task import RetrievalTask, retrieval_task
from dataplane.dataset.sequences import read_dataset
from models.ranking.metrics import mean_metrics, query_metrics
from models.ranking.ranking import Scorer, rank_candidates
from pipeline.config.config import load_config


def run_baseline(asked: BaselineTask) -> Run:
    """Fits every choice and measures the best on test."""
    prepared, method = prepare(load_config(asked.config), asked.prepared), BASELINES[asked.baseline]
    dataset = read_dataset(prepared.examples)
    train, remove_seen = dataset.events.select(["train"]), prepared.config.remove_seen
    refusal = method.refusal(dataset, train)
    if refusal is not None:
        return Run(skipped=refusal)
    validation, test = (retrieval_task(dataset, name, remove_seen=remove_seen) for name in ("validation", "test"))
    best: Run | None = None
    for choice in method.choices[: asked.choices]:
        start = time.perf_counter()
        fitted = method.fit(dataset, train, choice)
        seconds = time.perf_counter() - start
        scorer = method.scorer(fitted, History(validation.history, validation.query_rows), choice)
        found = mean_metrics(_values(scorer, validation, asked.at))
        if best is None or found[asked.metric] > best.validation[asked.metric]:
            scorer = method.scorer(fitted, History(test.history, test.query_rows), choice)
            values = _values(scorer, test, asked.at)
            write_per_query(asked.output, values, asked.at)
            auc = new_auc(scorer, test, dataset.train_count)
            best = Run(validation=found, test=mean_metrics(values), choice=choice, fit=seconds, new_auc=auc)
    assert best is not None
    new_pairs = int((dataset.train_count[test.relevant.rows] == 0).sum())
    return best.model_copy(update={"chance": asked.at / len(dataset.candidates), "new_pairs": new_pairs})


def _values(scorer: Scorer, task: RetrievalTask, at: int) -> dict[str, np.ndarray]:
    ranking = rank_candidates(scorer, relevant=task.relevant, excluded=task.excluded, depth=at)
    return query_metrics(ranking.ranks, task.relevant.offsets, [at])


if __name__ == "__main__":
    answer(BaselineTask, run_baseline)
