"""Puts trained towers and a closed form side by side; validation chooses how much each counts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from components.trainer.closed_form import ClosedForm
from components.trainer.data import Prepared
from components.trainer.fitted import Fitted, Tower, number_of_weights, save_checkpoint
from components.trainer.settings import Settings
from dataplane.artifacts.document import JsonValue
from dataplane.artifacts.model import BlendFacts
from models.spec.progress import Decided, Progress
from models.towers.side_by_side import SideBySide
from models.training.closed_form import closed_form_model
from models.training.validation import Validation, embed

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
        query, candidate = _towers((self.closed.query_tower, self.closed.candidate_tower), self.trained, self.facts)
        save_checkpoint(query, candidate, written)
        width = self.facts.closed_form_dim + self.trained.config.width + self.trained.config.popularity_bias
        return replace(
            self.trained,
            recipe="blend",
            config=closed_form_model(width),
            query_tower=query,
            candidate_tower=candidate,
            parameters=number_of_weights(query, candidate),
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
    scale, ratio = _scales(trained, closed, validation)
    found = dict[float, tuple[BlendFacts, Mapping[str, float]]]()
    for share in _SHARES:
        facts = BlendFacts(trained=trained.recipe, closed_form_dim=closed.form.width, scale=scale, weight=share * ratio)
        metrics = validation.metrics(*_towers(closed.unrefitted, trained, facts))
        found[share] = facts, metrics
        told = f"{trained.recipe} with a share of {share:g} beside closed_form: {metric} {metrics[metric]:.4f}"
        progress(Decided(told, {"share": share, metric: metrics[metric]}))
    best = max(found, key=lambda share: found[share][1][metric])
    scores = {share: metrics[metric] for share, (_, metrics) in found.items()}
    return Blend(trained, closed, *found[best], scores)


def _scales(trained: Fitted, closed: ClosedForm, validation: Validation) -> tuple[float, float]:
    """The factor that gives the closed form's query embeddings a length of about 1, and a ratio of score deviations."""
    queries, candidates = (
        {name: values[:: max(1, len(values) // _SAMPLE)] for name, values in columns.items()}
        for columns in (validation.queries, validation.candidates)
    )
    of_closed = [embed(tower, rows) for tower, rows in zip(closed.unrefitted, (queries, candidates), strict=True)]
    towers = (trained.query_tower, trained.candidate_tower)
    of_trained = [embed(tower, rows) for tower, rows in zip(towers, (queries, candidates), strict=True)]
    length = float(np.sqrt((of_closed[0] ** 2).sum(axis=1).mean()))
    deviations = [float((query @ candidate.T).std()) for query, candidate in (of_closed, of_trained)]
    tiny = float(np.finfo(np.float32).tiny)
    return 1 / max(length, tiny), max(deviations[0], tiny) / max(deviations[1], tiny)


def _towers(closed: tuple[Tower, Tower], trained: Fitted, facts: BlendFacts) -> tuple[SideBySide, SideBySide]:
    query = SideBySide(closed[0], trained.query_tower, (facts.scale, 1.0), name="query_tower")
    factors = (1 / facts.scale, facts.weight)
    return query, SideBySide(closed[1], trained.candidate_tower, factors, name="candidate_tower")


def repeated(trained: Fitted, closed: ClosedForm, facts: BlendFacts, written: Path) -> Fitted:
    """The blend of a final fit, with the factors of its reference."""
    return Blend(trained, closed, facts, {}, {}).fitted(written)
