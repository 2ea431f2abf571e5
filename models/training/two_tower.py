"""The retrieval model: two towers, a source of negatives and a loss."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

from models.losses import Contrast, build_loss
from models.losses.augmentation import category_alignment, mimic
from models.negatives.frequency import StreamingEstimator
from models.negatives.harder_negatives import CandidateQueue, HardNegativeMiner
from models.negatives.negatives import build_sampler
from models.spec.config import ModelConfig, TrainingConfig
from models.spec.features import EncodedSpec
from models.spec.loss_config import Softmax
from models.spec.negatives_config import (
    CrossBatchNegatives,
    FrequencyConfig,
    MinedNegatives,
    MixedNegatives,
    NegativesConfig,
    StreamingFrequency,
)
from models.spec.trials import Temperature
from models.towers.towers import build_towers
from models.training.distribution import gathered, seed_of_replica, summed

_MIXED = 4096
"""Number of uniform negatives if the catalogue is too large for the full softmax."""
_START, _LEAST = 0.1, 0.01
"""Initial value and lower bound of a learned temperature."""


def resolve_auto(model: ModelConfig, training: TrainingConfig, *, events: int, candidates: int) -> TrainingConfig:
    """Replaces `loss: auto` by a loss and its negatives; other settings are returned unchanged.

    Args:
        model: gives the length of the embeddings.
        training: gives the loss and the budget of the full softmax.
        events: training events per epoch.
        candidates: size of the catalogue.
    """
    if training.loss.type != "auto":
        return training
    operations = 6.0 * events * candidates * model.width  # one matrix product forward, two backward
    if operations <= training.full_softmax_budget:
        return training.model_copy(update={"loss": Softmax(type="full_softmax")})
    negatives = MixedNegatives(type="mixed", n=min(_MIXED, candidates), chosen_only=True)
    return training.model_copy(update={"loss": Softmax(type="in_batch_softmax"), "negatives": negatives})


class LearnedTemperature(tf.Module):
    """A trained temperature that starts at 0.1 and stays above 0.01, the limit of CLIP (Radford et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.log = tf.Variable(math.log(_START - _LEAST), name="log_temperature")

    def __call__(self) -> tf.Tensor:
        """The temperature, a scalar."""
        return _LEAST + tf.exp(self.log)


class TwoTower(tfrs.Model):
    """Query tower and candidate tower, trained together on batches of `models.training.batches`.

    Args:
        spec: the encoded columns.
        model: settings of the towers.
        training: settings of the loss; `auto` must be resolved already.
        temperature: divides the scores; see `models.spec.trials`.
        ordered: whether events have an order.
        catalogue: encoded candidate columns, each `[candidates, width]`.
        train_count: number of training events of each candidate, `[candidates]`.
        seed: together with the step's number it decides the random numbers of a step.
    """

    def __init__(
        self,
        spec: EncodedSpec,
        model: ModelConfig,
        training: TrainingConfig,
        *,
        temperature: Temperature,
        ordered: bool,
        catalogue: Mapping[str, np.ndarray],
        train_count: np.ndarray,
        seed: int,
    ) -> None:
        super().__init__()
        self.query_tower, self.candidate_tower = build_towers(spec, model, ordered=ordered)
        self.loss_name = training.loss.type
        self._loss = build_loss(training.loss, training)
        self._temperature = temperature
        self._learned_temperature = LearnedTemperature() if temperature == "learned" else None
        self._mask_known = training.mask_known
        counts = np.maximum(train_count, 1)
        self._share = tf.constant(counts / counts.sum(), tf.float32)
        self._in_batch = training.negatives.type not in ("uniform", "popularity")
        sampler = build_sampler(training.negatives, train_count, seed=seed)
        self._expected_draws = None if sampler is None else tf.constant(sampler.expected)
        self.estimator = _estimator(training.frequency, candidates=len(counts), seed=seed)
        self._seed = seed
        if self.loss_name == "full_softmax":
            self._chosen_row, self._chosen = _chosen_candidates(catalogue, train_count)
        dim = model.width + model.popularity_bias
        self.queue = _queue(training.negatives, dim)
        self.miner = _miner(training.negatives, catalogue, dim)
        self._augmentation = model.augmentation
        if model.augmentation is not None and model.augmentation.alignment is not None:
            self._categories = spec.candidate[model.augmentation.alignment.feature].vocabulary_size

    @property
    def memories(self) -> dict[str, tf.Module | None]:
        """Modules besides the towers and the optimiser whose state lasts from step to step, by name."""
        return {
            "frequency": self.estimator,
            "queue": self.queue,
            "mined": self.miner,
            "temperature": self._learned_temperature,
        }

    @property
    def temperature(self) -> tf.Tensor | float:
        """The current divisor of the scores."""
        return self._temperature if self._learned_temperature is None else self._learned_temperature()

    def compute_loss(self, inputs: Mapping[str, Any], training: bool = False) -> tf.Tensor:
        """Mean loss of a batch; with several replicas, this replica's summand."""
        seed = (
            seed_of_replica(tf.stack([self._seed, tf.cast(self.optimizer.iterations, tf.int32)])) if training else None
        )
        if self.loss_name == "full_softmax":
            contrast = self._against_catalogue(inputs, seed)
        else:
            contrast = self._against_batch(inputs, seed)
        loss = self._loss(self._with_harder_negatives(contrast, seed))
        return loss if self._augmentation is None else loss + self._augmented_loss(inputs, contrast)

    def train_step(self, inputs: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """Runs one optimiser step; returns the loss before it."""
        if self.estimator is not None:
            self.estimator.update(inputs["label"], self.optimizer.iterations + 1)
        return {"loss": super().train_step(inputs)["loss"]}

    def _against_batch(self, batch: Mapping[str, Any], seed: tf.Tensor | None) -> Contrast:
        """Compares with the batch's candidates, the drawn ones, or both, in this order."""
        columns, rows, size = batch["candidate"], batch["label"], tf.size(batch["label"])
        if self._expected_draws is not None:
            columns = {name: tf.concat([columns[name], batch["drawn"][name]], axis=0) for name in columns}
            rows = tf.concat([rows, batch["drawn_row"]], axis=0)
        embedded, start = self.candidate_tower(columns, seed), 0 if self._in_batch else size
        candidates, rows = gathered(embedded[start:]), gathered(rows[start:])
        return self._contrast(batch, embedded[:size], candidates, rows, self._frequency(rows, summed(size)), seed)

    def _with_harder_negatives(self, contrast: Contrast, seed: tf.Tensor | None) -> Contrast:
        if seed is None:  # outside training, candidates are not remembered
            return contrast
        step = self.optimizer.iterations
        if self.queue is not None:
            return self.queue.extend(contrast, step, batch_share=self._share)
        if self.miner is not None:
            return self.miner.extend(contrast, step, self.candidate_tower, seed)
        return contrast

    def _augmented_loss(self, batch: Mapping[str, Any], contrast: Contrast) -> tf.Tensor:
        assert self._augmentation is not None
        queries, positives = (
            tower.augmented(batch[side])
            for tower, side in ((self.query_tower, "query"), (self.candidate_tower, "candidate"))
        )
        loss = self._augmentation.weight * mimic(contrast, queries=queries, positives=positives)
        alignment = self._augmentation.alignment
        if alignment is not None:
            vectors, categories = gathered(contrast.positives), gathered(batch["candidate"][alignment.feature][:, 0])
            aligned = category_alignment(vectors, categories, number=self._categories)
            loss += alignment.weight * aligned / tf.distribute.get_strategy().num_replicas_in_sync
        return loss

    def _against_catalogue(self, batch: Mapping[str, Any], seed: tf.Tensor | None) -> Contrast:
        candidates = self.candidate_tower(self._chosen, seed)
        rows_of = {name: tf.gather(self._chosen_row, batch[name]) for name in ("label", "known")}
        rows, positives = tf.range(tf.shape(candidates)[0]), tf.gather(candidates, rows_of["label"])
        return self._contrast({**batch, **rows_of}, positives, candidates, rows, tf.ones_like(rows, tf.float32), seed)

    def _frequency(self, rows: tf.Tensor, batch_size: tf.Tensor) -> tf.Tensor:
        """Expected number of times that each candidate is among a query's negatives, `[candidates]`."""
        frequency = tf.zeros(tf.shape(rows))
        if self.estimator is not None:
            frequency += self.estimator.expected(rows)
        elif self._in_batch:
            frequency += tf.cast(tf.maximum(batch_size - 1, 1), tf.float32) * tf.gather(self._share, rows)
        if self._expected_draws is not None:
            frequency += tf.gather(self._expected_draws, rows)
        return frequency

    def _contrast(
        self,
        batch: Mapping[str, Any],
        positives: tf.Tensor,
        candidates: tf.Tensor,
        rows: tf.Tensor,
        frequency: tf.Tensor,
        seed: tf.Tensor | None,
    ) -> Contrast:
        return Contrast(
            queries=self.query_tower(batch["query"], seed, batch.get("positions")),
            positives=positives,
            labels=batch["label"],
            candidates=candidates,
            rows=rows,
            known=batch["known"],
            known_row=batch["known_row"],
            frequency=frequency,
            weight=batch["weight"] / tf.maximum(summed(tf.reduce_sum(batch["weight"])), 1e-6),
            temperature=self.temperature,
            catalogue=self._share.shape[0],
            group=batch.get("window") if self._mask_known else None,
        )


def _estimator(frequency: FrequencyConfig, *, candidates: int, seed: int) -> StreamingEstimator | None:
    return (
        StreamingEstimator(frequency, gap=candidates, seed=seed) if isinstance(frequency, StreamingFrequency) else None
    )


def _chosen_candidates(
    catalogue: Mapping[str, np.ndarray], train_count: np.ndarray
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """The row of each candidate among those with training events, and the columns of these.

    Candidates without training events may be new; as negatives they would teach the model to avoid new ones.
    """
    chosen = train_count > 0
    columns = {name: tf.constant(values[chosen]) for name, values in catalogue.items()}
    return tf.constant(np.cumsum(chosen) - 1, tf.int32), columns


def _queue(negatives: NegativesConfig, dim: int) -> CandidateQueue | None:
    return CandidateQueue(negatives, dim) if isinstance(negatives, CrossBatchNegatives) else None


def _miner(negatives: NegativesConfig, catalogue: Mapping[str, np.ndarray], dim: int) -> HardNegativeMiner | None:
    if not isinstance(negatives, MinedNegatives):
        return None
    return HardNegativeMiner(negatives, {name: tf.constant(values) for name, values in catalogue.items()}, dim)
