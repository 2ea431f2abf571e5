"""Puts trained towers and a closed form side by side; validation chooses how much each counts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np

from components.trainer.closed_form import ClosedForm
from components.trainer.data import Prepared
from components.trainer.fitted import Fitted, number_of_weights, save_checkpoint
from components.trainer.settings import Settings
from dataplane.artifacts.document import JsonValue
from dataplane.artifacts.model import BlendFacts
from models.spec.progress import Decided, Progress
from models.towers.side_by_side import SideBySide
from models.training.closed_form import closed_form_model

_Embeddings: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Of queries and of candidates, each `[rows, dim]`."""
_SHARES = (1.0, 2.0, 4.0, 8.0)
"""Standard deviations of the trained scores that are worth one of the closed form's."""
_SAMPLE = 512
"""Queries and candidates behind the standard deviations."""


@dataclass(frozen=True)
class Blend:
    """Trained towers and a closed form side by side.

    Attributes:
        trained: the trained towers.
        closed: the closed form.
        facts: the factors that validation chose.
        metrics: on validation, of a closed form without the validation events; empty without validation.
        scores: validation metric of each share that was compared.
    """

    trained: Fitted
    closed: ClosedForm
    facts: BlendFacts
    metrics: Mapping[str, float]
    scores: Mapping[float, float]

    def tried(self) -> tuple[Mapping[str, JsonValue], ...]:
        """The shares that were compared, as a report names them."""
        metric = self.closed.metric
        return tuple({"recipe": "blend", "share": share, metric: score} for share, score in self.scores.items())

    def fitted(self, written: Path) -> Fitted:
        """Saves the towers as a checkpoint in `written`, and returns the fitted model."""
        query, candidate = _towers(self.closed, self.trained, self.facts)
        save_checkpoint(query, candidate, written)
        width = self.facts.closed_form_dim + self.trained.config.width + self.trained.config.popularity_bias
        return replace(
            self.trained,
            recipe="blend",
            config=closed_form_model(width),
            query_tower=query,
            candidate_tower=candidate,
            parameters=number_of_weights([*query.trainable_variables, *candidate.trainable_variables]),
            fit=replace(self.trained.fit, validation=dict(self.metrics)),
            exponent=self.closed.form.exponent,
            refitted=bool(self.metrics),
            blend=self.facts,
        )


def blend(trained: Fitted, closed: ClosedForm, prepared: Prepared, params: Settings, progress: Progress) -> Blend:
    """Chooses the factors.

    Args:
        trained: the best of the recipes that are trained.
        closed: the closed form.
        prepared: the data.
        params: settings of the training.
        progress: told about each share and its validation metric.
    """
    metric, validation = params.training.metric, prepared.validation
    assert validation is not None
    of_closed = validation.embedded(*closed.unrefitted)
    of_trained = validation.embedded(trained.query_tower, trained.candidate_tower)
    scale, ratio = _scales(of_closed, of_trained)
    found = dict[float, tuple[BlendFacts, Mapping[str, float]]]()
    for share in _SHARES:
        facts = BlendFacts(trained=trained.recipe, closed_form_dim=closed.form.width, scale=scale, weight=share * ratio)
        metrics = validation.metrics_of(*_side_by_side(of_closed, of_trained, facts))
        found[share] = facts, metrics
        told = f"{trained.recipe} with a share of {share:g} beside closed_form: {metric} {metrics[metric]:.4f}"
        progress(Decided(told, {"share": share, metric: metrics[metric]}))
    best = max(found, key=lambda share: found[share][1][metric])
    scores = {share: metrics[metric] for share, (_, metrics) in found.items()}
    return Blend(trained, closed, *found[best], scores)


def _scales(of_closed: _Embeddings, of_trained: _Embeddings) -> tuple[float, float]:
    """The factor that gives the closed form's query embeddings a length of about 1, and a ratio of score deviations."""
    samples = [[rows[:: max(1, len(rows) // _SAMPLE)] for rows in embedded] for embedded in (of_closed, of_trained)]
    length = float(np.sqrt((samples[0][0] ** 2).sum(axis=1).mean()))
    deviations = [float((queries @ candidates.T).std()) for queries, candidates in samples]
    tiny = float(np.finfo(np.float32).tiny)
    return 1 / max(length, tiny), max(deviations[0], tiny) / max(deviations[1], tiny)


def _factors(facts: BlendFacts) -> tuple[tuple[float, float], tuple[float, float]]:
    """Factors of the closed form's and the trained embeddings: those of the queries, and those of the candidates."""
    return (facts.scale, 1.0), (1 / facts.scale, facts.weight)


def _side_by_side(of_closed: _Embeddings, of_trained: _Embeddings, facts: BlendFacts) -> Iterator[np.ndarray]:
    """The embeddings of queries and candidates that the towers of a blend give."""
    for first, second, factors in zip(of_closed, of_trained, _factors(facts), strict=True):
        yield np.hstack([factors[0] * first, factors[1] * second])


def _towers(closed: ClosedForm, trained: Fitted, facts: BlendFacts) -> tuple[SideBySide, SideBySide]:
    of_queries, of_candidates = _factors(facts)
    return (
        SideBySide(closed.query_tower, trained.query_tower, of_queries, name="query_tower"),
        SideBySide(closed.candidate_tower, trained.candidate_tower, of_candidates, name="candidate_tower"),
    )


def repeated(trained: Fitted, closed: ClosedForm, facts: BlendFacts, written: Path) -> Fitted:
    """The blend of a final fit, with the factors of its reference."""
    return Blend(trained, closed, facts, {}, {}).fitted(written)
