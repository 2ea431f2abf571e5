"""The trainer's own step and input pipeline on synthetic events."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from benchmarks.training.tasks import StepTask
from models.spec.config import ModelConfig, TrainingConfig
from models.spec.features import (
    CANDIDATE_ID,
    QUERY_ID,
    EncodedColumn,
    EncodedSpec,
    FeatureSpec,
    HistoryFeature,
    IdFeature,
)
from models.spec.trials import temperatures_to_try
from models.training.batches import Batches, TrainingData
from models.training.distribution import input_slices, slices_signature
from models.training.optimizers import build_optimizer
from models.training.prefetching import Prefetched
from models.training.run import AHEAD
from models.training.step import compiled
from models.training.two_tower import TwoTower


def time_steps(
    task: StepTask,
    events: tuple[np.ndarray, np.ndarray],
    model: ModelConfig,
    *,
    history: HistoryFeature | None,
    mark: Callable[[], None],
) -> None:
    """Makes two passes, without the checkpoint that the trainer writes after each.

    Args:
        task: batch size, steps and optimizer.
        events: query of each event, ascending, and its candidate.
        model: the towers.
        history: the query's only feature; without a history, the query has an id.
        mark: called at the start of the first pass and at the end of each.
    """
    query, candidate = events
    queries = int(query[-1]) + 1
    data = TrainingData(
        offsets=np.searchsorted(query, np.arange(queries + 1)),
        candidate=candidate,
        weight=None,
        context={},
        queries={} if history else {QUERY_ID: _tokens(queries)},
        candidates={CANDIDATE_ID: _tokens(task.vocabulary)},
        ordered=True,
        history_length=history.max_length if history else None,
    )
    two_tower = _two_tower(task, _spec(history, task, queries), model, data)
    batches = Batches(data, batch_size=task.batch, seed=1, negatives_in_batch=True)
    strategy = two_tower.distribute_strategy
    step = compiled(two_tower, slices_signature(strategy, batches), tf.keras.metrics.Mean())
    with Prefetched(input_slices(strategy, batches, 0), ahead=AHEAD) as inputs:
        for _ in range(2):
            mark()
            for _ in range(task.steps):
                step(next(inputs))
        mark()


def _two_tower(task: StepTask, spec: EncodedSpec, model: ModelConfig, data: TrainingData) -> TwoTower:
    training = TrainingConfig.model_validate(
        {"batch_size": task.batch, "optimizer": task.optimizer, "loss": "in_batch_softmax", "learning_rate": 0.01}
    )
    two_tower = TwoTower(
        spec,
        model,
        training,
        temperature=temperatures_to_try(model, training.loss.type)[0],
        ordered=True,
        catalogue=data.candidates,
        train_count=np.bincount(data.candidate, minlength=task.vocabulary),
        seed=1,
    )
    two_tower.compile(optimizer=build_optimizer(training, steps=1))
    two_tower.optimizer.build(two_tower.trainable_variables)
    return two_tower


def _tokens(rows: int) -> np.ndarray:
    return np.arange(2, rows + 2, dtype=np.int32)[:, None]


def _spec(history: HistoryFeature | None, task: StepTask, queries: int) -> EncodedSpec:
    def column(name: str, rows: int) -> dict[str, EncodedColumn]:
        size = rows + 2
        return {name: EncodedColumn(feature=name, kind="tokens", width=1, vocabulary_size=size, embedding_dim=task.dim)}

    query = {} if history else {QUERY_ID: IdFeature(type="id", embedding_dim=task.dim)}
    return EncodedSpec(
        features=FeatureSpec.model_validate({"history": history, "query": query}),
        query={} if history else column(QUERY_ID, queries),
        context={},
        candidate=column(CANDIDATE_ID, task.vocabulary),
    )
