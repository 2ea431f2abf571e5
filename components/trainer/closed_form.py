"""Fits the towers in closed form; validation chooses the length of the embeddings and the exponent."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from components.trainer.data import Prepared, event_data
from components.trainer.fitted import Fitted, number_of_weights, save_checkpoint
from components.trainer.settings import Settings
from dataplane.artifacts.document import JsonValue
from dataplane.artifacts.model import TrainingReport
from models.spec.features import CANDIDATE_ID
from models.spec.progress import Decided, Progress
from models.towers.towers import CandidateTower, QueryTower
from models.training.batches import TrainingData
from models.training.closed_form import (
    EXPONENTS,
    closed_form_model,
    closed_form_towers,
    spectrum_of,
    widths_to_try,
)
from models.training.loop import Fit
from models.training.spectrum import Form, Spectrum


@dataclass(frozen=True)
class Known:
    """What a warm start keeps of an earlier closed form.

    Attributes:
        form: its width and exponent.
        vectors: its item vectors, in the rows of the new vocabulary, float32 `[items, width]`.
    """

    form: Form
    vectors: np.ndarray


@dataclass(frozen=True)
class ClosedForm:
    """Towers in closed form.

    Attributes:
        form: what validation chose.
        query_tower: with its table.
        candidate_tower: with its table.
        events: number of events behind the tables.
        unrefitted: both towers without the validation events, which `metrics` are of.
        metric: the validation metric that decides.
        metrics: on validation, of tables without the validation events; empty without validation.
        seconds: time of the computation.
        scores: validation metric of each form that was compared.
    """

    form: Form
    query_tower: QueryTower
    candidate_tower: CandidateTower
    events: int
    unrefitted: tuple[QueryTower, CandidateTower]
    metric: str
    metrics: Mapping[str, float]
    seconds: float
    scores: Mapping[Form, float]

    def tried(self) -> tuple[Mapping[str, JsonValue], ...]:
        """The forms that were compared, as a report names them."""
        return tuple(
            {"recipe": "closed_form", "embedding_dim": form.width, "exponent": form.exponent, self.metric: score}
            for form, score in self.scores.items()
        )

    def fitted(self, written: Path) -> Fitted:
        """Saves the towers as a checkpoint in `written`, and returns the fitted model."""
        save_checkpoint(self.query_tower, self.candidate_tower, written)
        return Fitted(
            recipe="closed_form",
            config=closed_form_model(self.form.width),
            query_tower=self.query_tower,
            candidate_tower=self.candidate_tower,
            loss="closed_form",
            temperature=1.0,
            labels="next",
            tried=self.tried() if len(self.scores) > 1 else (),
            parameters=number_of_weights(self.query_tower, self.candidate_tower),
            events=self.events,
            fit=Fit(0, dict(self.metrics), [{"step": 0, "seconds": self.seconds, **self.metrics}], 0.0, self.events),
            exponent=self.form.exponent,
            refitted=bool(self.metrics),
        )


def closed_form(
    prepared: Prepared,
    params: Settings,
    progress: Progress,
    *,
    reference: TrainingReport | None = None,
    known: Known | None = None,
) -> ClosedForm:
    """Computes the towers.

    Validation compares exponents at the greatest width, then narrower widths until one is worse. The chosen form is
    computed once more with the validation events: they are the newest that are known before the test.

    Args:
        prepared: the data.
        params: settings of the training.
        progress: told about each form and its validation metric.
        reference: the model that a final fit repeats; None to choose.
        known: an earlier form, which is kept, and whose vectors the iteration starts from; None for a cold start.
    """
    near = None if known is None else known.vectors
    if reference is not None:
        dimensions = reference.embedding_dim if reference.blend is None else reference.blend.closed_form_dim
        return _repeated(prepared, params, Form(dimensions, reference.exponent), progress, near)
    start = time.perf_counter()
    items = prepared.spec.candidate[CANDIDATE_ID].vocabulary_size
    widths: Sequence[int] = widths_to_try(params.model, prepared.events, items=items)
    exponents: Sequence[float] = EXPONENTS
    if known is not None:
        widths, exponents = (known.form.width,), (known.form.exponent,)
    found = _decomposed(prepared, prepared.events, widths[0], params, progress, near)
    validated = dict[Form, Mapping[str, float]]()
    best = _best_form((widths, exponents), validated, prepared, found, params, progress)
    everything = _with_validation(prepared, params)
    refitted = _decomposed(prepared, everything, best.width, params, progress, near)
    metric, seconds = params.training.metric, round(time.perf_counter() - start, 3)
    scores = {form: metrics[metric] for form, metrics in validated.items()}
    towers, before = (_towers(prepared, each, best) for each in (refitted, found))
    return ClosedForm(best, *towers, len(everything), before, metric, validated[best], seconds, scores)


def _repeated(
    prepared: Prepared, params: Settings, form: Form, progress: Progress, near: np.ndarray | None
) -> ClosedForm:
    start = time.perf_counter()
    found = _decomposed(prepared, prepared.events, form.width, params, progress, near)
    seconds = round(time.perf_counter() - start, 3)
    towers = _towers(prepared, found, form)
    return ClosedForm(form, *towers, len(prepared.events), towers, params.training.metric, {}, seconds, {})


def _best_form(
    choices: tuple[Sequence[int], Sequence[float]],
    validated: dict[Form, Mapping[str, float]],
    prepared: Prepared,
    found: Spectrum,
    params: Settings,
    progress: Progress,
) -> Form:
    """The form with the best validation metric, of some widths and exponents; `validated` receives all metrics."""
    metric, validation = params.training.metric, prepared.validation
    assert validation is not None

    def score(form: Form) -> float:
        validated[form] = metrics = validation.metrics(*_towers(prepared, found, form))
        facts = {"embedding_dim": form.width, "exponent": form.exponent, metric: metrics[metric]}
        told = f"closed form of {form.width} dimensions, exponent {form.exponent}: {metric} {metrics[metric]:.4f}"
        progress(Decided(told, facts))
        return metrics[metric]

    widths, exponents = choices
    best = max((Form(widths[0], exponent) for exponent in exponents), key=score)
    for form in [Form(width, best.exponent) for width in widths[1:]]:
        if score(form) < validated[best][metric]:
            break
        best = form
    return best


def _decomposed(
    prepared: Prepared,
    events: TrainingData,
    rank: int,
    params: Settings,
    progress: Progress,
    near: np.ndarray | None,
) -> Spectrum:
    progress(f"decomposing {len(events):,} events to {rank} dimensions")
    items = prepared.spec.candidate[CANDIDATE_ID].vocabulary_size
    return spectrum_of(events, items=items, rank=rank, seed=params.seed, start=near)


def _with_validation(prepared: Prepared, params: Settings) -> TrainingData:
    events = replace(prepared.dataset.events, timestamp=None).select(["train", "validation"])
    return event_data(events, prepared.dataset, prepared.spec, use_weights=params.training.use_weights)


def _towers(prepared: Prepared, found: Spectrum, form: Form) -> tuple[QueryTower, CandidateTower]:
    tokens = prepared.events.candidates[CANDIDATE_ID][:, 0]
    return closed_form_towers(prepared.spec, found, form, candidate_tokens=tokens, ordered=prepared.dataset.ordered)
