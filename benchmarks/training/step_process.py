"""Times the training steps of one side, in a process of its own.

The second of two passes over the same events is timed: the first traces, fills caches and touches memory.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import models  # noqa: F401  # chooses Keras 2 before TensorFlow is imported
from benchmarks.harness.processes import answer
from benchmarks.training.tasks import StepCost, StepSide, StepTask
from models.spec.config import ModelConfig, TowerConfig
from models.spec.features import CANDIDATE_ID, QUERY_ID, HistoryFeature

_EVENTS_PER_QUERY = 50
_SKEW = 3.0  # candidates are drawn as catalogue · u^3: a long tail, and no candidate is in every batch


class _Clock:
    """Wall and CPU time between the last two marks, which enclose the last pass."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, float]] = []

    def mark(self, *_: object) -> None:
        self._marks.append((time.perf_counter(), time.process_time()))

    def per_step(self, steps: int) -> StepCost:
        (start, cpu_start), (end, cpu_end) = self._marks[-2:]
        return StepCost(seconds=(end - start) / steps, cpu_seconds=(cpu_end - cpu_start) / steps)


def floor(task: StepTask, clock: _Clock) -> None:
    """The matrix products of the towers and the loss, forward and backward, and nothing else."""
    import tensorflow as tf

    vectors = [tf.random.normal([task.batch, task.dim], seed=seed) for seed in (1, 2)]
    kernel = tf.random.normal([task.dim, task.dim], seed=3)

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
        for _ in range(task.steps):
            step()[0].numpy()
    clock.mark()


def tutorial(task: StepTask, clock: _Clock, *, metrics: bool = False) -> None:
    """The TFRS tutorial with a dense layer in each tower."""
    from benchmarks.training.tutorial import Tutorial

    query, candidate = (values.astype(np.bytes_) for values in _events(task))
    catalogue = np.arange(task.vocabulary).astype(np.bytes_)
    model = Tutorial(np.unique(query), catalogue, dim=task.dim, dense=True, metrics=metrics)
    _fit_keras(model, {QUERY_ID: query, CANDIDATE_ID: candidate}, task, clock)


def tutorial_with_metrics(task: StepTask, clock: _Clock) -> None:
    """The tutorial as published: each step ranks the catalogue."""
    tutorial(task, clock, metrics=True)


def plain_keras(task: StepTask, clock: _Clock) -> None:
    """The same towers on integers, without TFRS."""
    from benchmarks.training.tutorial import PlainKeras

    query, candidate = _events(task)
    model = PlainKeras(int(query[-1]) + 1, task.vocabulary, dim=task.dim)
    _fit_keras(model, {QUERY_ID: query.astype(np.int32), CANDIDATE_ID: candidate}, task, clock)


def pytorch(task: StepTask, clock: _Clock) -> None:
    """The same towers in PyTorch."""
    from benchmarks.training.pytorch import train

    query, candidate = _events(task)
    train(query, candidate, candidates=task.vocabulary, batch=task.batch, dim=task.dim, mark=clock.mark)


def _fit_keras(model: Any, columns: dict[str, np.ndarray], task: StepTask, clock: _Clock) -> None:
    import tensorflow as tf

    from benchmarks.training.tutorial import batches, compiled

    callback = tf.keras.callbacks.LambdaCallback(on_epoch_end=clock.mark)
    compiled(model).fit(batches(columns, task.batch), epochs=2, verbose=0, callbacks=[callback])


def ours(task: StepTask, clock: _Clock) -> None:
    """The trainer with the tutorial's towers; it also corrects for popularity and masks known positives."""
    from benchmarks.training import our_step

    tower = TowerConfig(dropout=0, residual=False)
    model = ModelConfig(embedding_dim=task.dim, query_tower=tower, candidate_tower=tower, score="dot", id_dropout=0)
    our_step.time_steps(task, _events(task), model, history=None, mark=clock.mark)


def ours_default(task: StepTask, clock: _Clock) -> None:
    """The trainer with its default towers: a history of 50, a hidden layer, dropout, cosine."""
    from benchmarks.training import our_step

    model = ModelConfig(embedding_dim=task.dim)
    our_step.time_steps(task, _events(task), model, history=HistoryFeature(), mark=clock.mark)


SIDES: dict[StepSide, Callable[[StepTask, _Clock], None]] = {
    "floor": floor,
    "ours": ours,
    "ours, default towers": ours_default,
    "tutorial": tutorial,
    "tutorial, metrics on": tutorial_with_metrics,
    "plain Keras": plain_keras,
    "PyTorch": pytorch,
}


def time_steps(task: StepTask) -> StepCost:
    """Times one side."""
    clock = _Clock()
    SIDES[task.side](task, clock)
    return clock.per_step(task.steps)


def _events(task: StepTask) -> tuple[np.ndarray, np.ndarray]:
    """Query of each event, ascending, and its candidate; as many as a pass takes."""
    count = task.batch * task.steps
    candidates = task.vocabulary * np.random.default_rng(7).random(count) ** _SKEW
    return np.arange(count) // _EVENTS_PER_QUERY, candidates.astype(np.int32)


if __name__ == "__main__":
    answer(StepTask, time_steps)
