"""Times the training steps of one side, in a process of its own.

    python -m benchmarks.references.step_side '{"side": "ours", "batch": 8192, …}' OUTPUT.json

The second of two passes over the same events is timed: the first traces, fills caches and touches memory.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.spec.config import ModelConfig, TowerConfig, TrainingConfig
from models.spec.features import (
    CANDIDATE_ID,
    QUERY_ID,
    EncodedColumn,
    EncodedSpec,
    FeatureSpec,
    HistoryFeature,
    IdFeature,
)

_EVENTS_PER_QUERY = 50
_SKEW = 3.0  # candidates are drawn as catalogue · u^3: a long tail without one that is in every batch


@dataclass(frozen=True)
class Workload:
    """What is trained.

    Attributes:
        side: a key of `SIDES`.
        batch: events a step.
        vocabulary: candidates, each with a row of its own.
        dim: length of the embeddings.
        steps: steps that are timed.
        optimizer: of our sides; the others have the tutorial's Adagrad.
    """

    side: str
    batch: int
    vocabulary: int
    dim: int
    steps: int
    optimizer: str = "adagrad"

    def events(self) -> tuple[np.ndarray, np.ndarray]:
        """Query of each event, ascending, and its candidate; as many as a pass takes."""
        count = self.batch * self.steps
        candidates = self.vocabulary * np.random.default_rng(7).random(count) ** _SKEW
        return np.arange(count) // _EVENTS_PER_QUERY, candidates.astype(np.int32)


class _Clock:
    """Seconds and CPU seconds of the last pass; told the end of each."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, float]] = []

    def mark(self, *_: object) -> None:
        self._marks.append((time.perf_counter(), time.process_time()))

    def per_step(self, steps: int) -> tuple[float, float]:
        (start, cpu_start), (end, cpu_end) = self._marks[-2:]
        return (end - start) / steps, (cpu_end - cpu_start) / steps


def floor(work: Workload, clock: _Clock) -> None:
    """The matrix products of the towers and the loss, forward and backward, and nothing else."""
    import tensorflow as tf

    vectors = [tf.random.normal([work.batch, work.dim], seed=seed) for seed in (1, 2)]
    kernel = tf.random.normal([work.dim, work.dim], seed=3)

    @tf.function
    def step() -> list[tf.Tensor]:
        queries, candidates = (tf.matmul(side, kernel) for side in vectors)
        scores = tf.matmul(queries, candidates, transpose_b=True)
        slopes = [tf.matmul(scores, candidates), tf.matmul(scores, queries, transpose_a=True)]
        backward = [tf.matmul(slope, kernel, transpose_b=True) for slope in slopes]
        kernels = [tf.matmul(side, slope, transpose_a=True) for side, slope in zip(vectors, slopes, strict=True)]
        return [tensor[:1] for tensor in (*backward, *kernels)]

    for _ in range(2):
        clock.mark()
        for _ in range(work.steps):
            step()[0].numpy()
    clock.mark()


def tutorial(work: Workload, clock: _Clock, *, metrics: bool = False) -> None:
    """The TFRS tutorial with a dense layer in each tower."""
    from benchmarks.references.tutorial import Tutorial

    query, candidate = (values.astype(np.bytes_) for values in work.events())
    catalogue = np.arange(work.vocabulary).astype(np.bytes_)
    model = Tutorial(np.unique(query), catalogue, dim=work.dim, dense=True, metrics=metrics)
    _fit_keras(model, {QUERY_ID: query, CANDIDATE_ID: candidate}, work, clock)


def tutorial_with_metrics(work: Workload, clock: _Clock) -> None:
    """The same as published: each step ranks the catalogue."""
    tutorial(work, clock, metrics=True)


def plain_keras(work: Workload, clock: _Clock) -> None:
    """The same towers on integers, without TFRS."""
    from benchmarks.references.tutorial import PlainKeras

    query, candidate = work.events()
    model = PlainKeras(int(query[-1]) + 1, work.vocabulary, dim=work.dim)
    _fit_keras(model, {QUERY_ID: query.astype(np.int32), CANDIDATE_ID: candidate}, work, clock)


def pytorch(work: Workload, clock: _Clock) -> None:
    """The same towers in PyTorch."""
    from benchmarks.references.pytorch import train

    query, candidate = work.events()
    train(query, candidate, candidates=work.vocabulary, batch=work.batch, dim=work.dim, mark=clock.mark)


def _fit_keras(model: Any, columns: dict[str, np.ndarray], work: Workload, clock: _Clock) -> None:
    import tensorflow as tf

    from benchmarks.references.tutorial import batches, compiled

    callback = tf.keras.callbacks.LambdaCallback(on_epoch_end=clock.mark)
    compiled(model).fit(batches(columns, work.batch), epochs=2, verbose=0, callbacks=[callback])


def ours(work: Workload, clock: _Clock) -> None:
    """The trainer with the tutorial's towers; it also corrects for popularity and masks known positives."""
    tower = TowerConfig(dropout=0, residual=False)
    model = ModelConfig(embedding_dim=work.dim, query_tower=tower, candidate_tower=tower, score="dot", id_dropout=0)
    _fit_ours(work, clock, model, history=None)


def ours_default(work: Workload, clock: _Clock) -> None:
    """The trainer with its default towers: a history of 50, a hidden layer, dropout, cosine."""
    _fit_ours(work, clock, ModelConfig(embedding_dim=work.dim), history=HistoryFeature())


def _fit_ours(work: Workload, clock: _Clock, model: ModelConfig, *, history: HistoryFeature | None) -> None:
    import tensorflow as tf

    from models.spec.trials import temperatures_to_try
    from models.training.batches import Batches, TrainingData
    from models.training.distribution import input_slices, slices_signature
    from models.training.optimizers import build_optimizer
    from models.training.prefetching import Prefetched
    from models.training.run import AHEAD
    from models.training.step import compiled
    from models.training.two_tower import TwoTower

    query, candidate = work.events()
    queries = int(query[-1]) + 1
    data = TrainingData(
        offsets=np.searchsorted(query, np.arange(queries + 1)),
        candidate=candidate,
        weight=None,
        context={},
        queries={} if history else {QUERY_ID: _tokens(queries)},
        candidates={CANDIDATE_ID: _tokens(work.vocabulary)},
        ordered=True,
        history_length=history.max_length if history else None,
    )
    spec = _spec(history, work, queries)
    training = TrainingConfig.model_validate(
        {"batch_size": work.batch, "optimizer": work.optimizer, "loss": "in_batch_softmax", "learning_rate": 0.01}
    )
    two_tower = TwoTower(
        spec, model, training, temperature=temperatures_to_try(model, training.loss.type)[0], ordered=True,
        catalogue=data.candidates, train_count=np.bincount(candidate, minlength=work.vocabulary), seed=1,
    )  # fmt: skip
    two_tower.compile(optimizer=build_optimizer(training, steps=1))
    batches = Batches(data, batch_size=work.batch, seed=1, negatives_in_batch=True)
    two_tower.optimizer.build(two_tower.trainable_variables)
    # The trainer's own step and input pipeline, without the checkpoint that it writes after every pass.
    strategy = two_tower.distribute_strategy
    step = compiled(two_tower, slices_signature(strategy, batches), tf.keras.metrics.Mean())
    with Prefetched(input_slices(strategy, batches, 0), ahead=AHEAD) as inputs:
        for _ in range(2):
            clock.mark()
            for _ in range(work.steps):
                step(next(inputs))
        clock.mark()


def _tokens(rows: int) -> np.ndarray:
    return np.arange(2, rows + 2, dtype=np.int32)[:, None]


def _spec(history: HistoryFeature | None, work: Workload, queries: int) -> EncodedSpec:
    def column(name: str, rows: int) -> dict[str, EncodedColumn]:
        size = rows + 2
        return {name: EncodedColumn(feature=name, kind="tokens", width=1, vocabulary_size=size, embedding_dim=work.dim)}

    query = {} if history else {QUERY_ID: IdFeature(type="id", embedding_dim=work.dim)}
    return EncodedSpec(
        features=FeatureSpec.model_validate({"history": history, "query": query}),
        query={} if history else column(QUERY_ID, queries),
        context={},
        candidate=column(CANDIDATE_ID, work.vocabulary),
    )


SIDES: dict[str, Callable[[Workload, _Clock], None]] = {
    "floor": floor,
    "ours": ours,
    "ours, default towers": ours_default,
    "tutorial": tutorial,
    "tutorial, metrics on": tutorial_with_metrics,
    "plain Keras": plain_keras,
    "PyTorch": pytorch,
}


def main(workload: str, output: str) -> None:
    """Times one side and writes seconds and CPU seconds of a step as JSON."""
    import models  # noqa: F401 - chooses Keras 2 before TensorFlow is imported

    work, clock = Workload(**json.loads(workload)), _Clock()
    SIDES[work.side](work, clock)
    seconds, cpu_seconds = clock.per_step(work.steps)
    Path(output).write_text(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds}), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
