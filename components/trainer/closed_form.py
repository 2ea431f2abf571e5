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
            parameters=number_of_weights(
                [*self.query_tower.trainable_variables, *self.candidate_tower.trainable_variables]
            ),
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
    fitting = _Fitting(prepared, params, progress, None if known is None else known.vectors)
    if reference is not None:
        dimensions = reference.embedding_dim if reference.blend is None else reference.blend.closed_form_dim
        return fitting.repeated(Form(dimensions, reference.exponent))
    if known is not None:
        return fitting.chosen([known.form.width], [known.form.exponent])
    items = prepared.spec.candidate[CANDIDATE_ID].vocabulary_size
    return fitting.chosen(widths_to_try(params.model, prepared.events, items=items), EXPONENTS)


@dataclass(frozen=True)
class _Fitting:
    """What all computations of a training share.

    Attributes:
        prepared: the data.
        params: settings of the training.
        progress: told about each form and its validation metric.
        near: vectors that the iterations start from; None for random ones.
    """

    prepared: Prepared
    params: Settings
    progress: Progress
    near: np.ndarray | None

    def chosen(self, widths: Sequence[int], exponents: Sequence[float]) -> ClosedForm:
        """The form that validates best, made of the validation events, too."""
        start, metric = time.perf_counter(), self.params.training.metric
        found = self._decomposed(self.prepared.events, widths[0])
        best, validated = self._best_form(found, widths, exponents)
        everything = self._with_validation()
        refitted = self._decomposed(everything, best.width)
        seconds = round(time.perf_counter() - start, 3)
        scores = {form: metrics[metric] for form, metrics in validated.items()}
        towers, before = (self._towers(each, best) for each in (refitted, found))
        return ClosedForm(best, *towers, len(everything), before, metric, validated[best], seconds, scores)

    def repeated(self, form: Form) -> ClosedForm:
        """A known form of all training events, without validation."""
        start = time.perf_counter()
        found = self._decomposed(self.prepared.events, form.width)
        seconds = round(time.perf_counter() - start, 3)
        towers, metric = self._towers(found, form), self.params.training.metric
        return ClosedForm(form, *towers, len(self.prepared.events), towers, metric, {}, seconds, {})

    def _best_form(
        self, found: Spectrum, widths: Sequence[int], exponents: Sequence[float]
    ) -> tuple[Form, Mapping[Form, Mapping[str, float]]]:
        """The form with the best validation metric, and the metrics of all that were compared."""
        metric, validation = self.params.training.metric, self.prepared.validation
        assert validation is not None
        validated = dict[Form, Mapping[str, float]]()

        def score(form: Form) -> float:
            validated[form] = metrics = validation.metrics(*self._towers(found, form))
            facts = {"embedding_dim": form.width, "exponent": form.exponent, metric: metrics[metric]}
            told = f"closed form of {form.width} dimensions, exponent {form.exponent}: {metric} {metrics[metric]:.4f}"
            self.progress(Decided(told, facts))
            return metrics[metric]

        best = max((Form(widths[0], exponent) for exponent in exponents), key=score)
        for form in [Form(width, best.exponent) for width in widths[1:]]:
            if score(form) < validated[best][metric]:
                break
            best = form
        return best, validated

    def _decomposed(self, events: TrainingData, rank: int) -> Spectrum:
        self.progress(f"decomposing {len(events):,} events to {rank} dimensions")
        items = self.prepared.spec.candidate[CANDIDATE_ID].vocabulary_size
        return spectrum_of(events, items=items, rank=rank, seed=self.params.seed, start=self.near)

    def _with_validation(self) -> TrainingData:
        dataset, use_weights = self.prepared.dataset, self.params.training.use_weights
        events = replace(dataset.events, timestamp=None).select(["train", "validation"])
        return event_data(events, dataset, self.prepared.spec, use_weights=use_weights)

    def _towers(self, found: Spectrum, form: Form) -> tuple[QueryTower, CandidateTower]:
        tokens, ordered = self.prepared.events.candidates[CANDIDATE_ID][:, 0], self.prepared.dataset.ordered
        return closed_form_towers(self.prepared.spec, found, form, candidate_tokens=tokens, ordered=ordered)
