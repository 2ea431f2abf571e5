"""Fits the towers in closed form; validation chooses the length of the embeddings."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from components.trainer.data import Prepared
from components.trainer.fitted import Fitted
from components.trainer.settings import Settings
from dataplane.artifacts.document import JsonValue
from models.spec.features import CANDIDATE_ID
from models.spec.progress import Decided, Progress
from models.towers.towers import CandidateTower, QueryTower
from models.training.closed_form import closed_form_model, closed_form_towers, spectrum_of, widths_to_try
from models.training.loop import Fit


@dataclass(frozen=True)
class ClosedForm:
    """Towers in closed form.

    Attributes:
        width: length of the embeddings.
        query_tower: with its table.
        candidate_tower: with its table.
        events: number of training events.
        metric: the validation metric that decides.
        metrics: on validation; empty without validation.
        seconds: time of the computation.
        scores: validation metric of each width that was compared.
    """

    width: int
    query_tower: QueryTower
    candidate_tower: CandidateTower
    events: int
    metric: str
    metrics: Mapping[str, float]
    seconds: float
    scores: Mapping[int, float]

    def tried(self) -> tuple[Mapping[str, JsonValue], ...]:
        """The widths that were compared, as a report names them."""
        return tuple(
            {"recipe": "closed_form", "embedding_dim": width, self.metric: score}
            for width, score in self.scores.items()
        )

    def fitted(self, written: Path) -> Fitted:
        """Saves the towers as a checkpoint in `written`, and returns the fitted model."""
        directory = written / "checkpoints"
        shutil.rmtree(directory, ignore_errors=True)
        checkpoint = tf.train.Checkpoint(query_tower=self.query_tower, candidate_tower=self.candidate_tower)
        tf.train.CheckpointManager(checkpoint, str(directory), max_to_keep=1).save(0)
        variables = (*self.query_tower.trainable_variables, *self.candidate_tower.trainable_variables)
        return Fitted(
            recipe="closed_form",
            config=closed_form_model(self.width),
            query_tower=self.query_tower,
            candidate_tower=self.candidate_tower,
            loss="closed_form",
            temperature=1.0,
            labels="next",
            tried=self.tried() if len(self.scores) > 1 else (),
            parameters=int(sum(tf.size(variable) for variable in variables)),
            fit=Fit(0, dict(self.metrics), [{"step": 0, "seconds": self.seconds, **self.metrics}], 0.0, self.events),
        )


def closed_form(prepared: Prepared, params: Settings, progress: Progress, *, width: int | None = None) -> ClosedForm:
    """Computes the towers. Validation compares widths from the widest on, until a narrower one is worse.

    Args:
        prepared: the data.
        params: settings of the training.
        progress: told about each width and its validation metric.
        width: length of the embeddings that a final fit repeats; None to choose it.
    """
    start = time.perf_counter()
    metric = params.training.metric
    items = prepared.spec.candidate[CANDIDATE_ID].vocabulary_size
    widths = widths_to_try(params.model, prepared.events, items=items) if width is None else [width]
    progress(f"decomposing {len(prepared.events):,} events to {widths[0]} dimensions")
    found = spectrum_of(prepared.events, items=items, rank=widths[0], seed=params.seed)
    best, scores, seconds = None, dict[int, float](), round(time.perf_counter() - start, 3)
    tokens = prepared.events.candidates[CANDIDATE_ID][:, 0]
    for each in widths:
        towers = closed_form_towers(
            prepared.spec, found, width=each, candidate_tokens=tokens, ordered=prepared.dataset.ordered
        )
        metrics = {} if prepared.validation is None else prepared.validation.metrics(*towers)
        if metrics:
            scores[each] = metrics[metric]
            facts = {"embedding_dim": each, metric: metrics[metric]}
            progress(Decided(f"closed form of {each} dimensions: {metric} {metrics[metric]:.4f}", facts))
        if best is not None and metrics[metric] < best.metrics[metric]:
            break
        best = ClosedForm(each, *towers, len(prepared.events), metric, metrics, seconds, scores)
    assert best is not None
    return best
