"""`training.json` of a Model: the course of the training."""

from collections.abc import Mapping
from typing import ClassVar

from dataplane.artifacts.document import Document, JsonValue, Number, Part
from models.spec.recipes import Recipe
from models.spec.trials import Labels


class BlendFacts(Part):
    """Trained towers and a closed form side by side."""

    trained: Recipe
    """The recipe of the trained towers."""
    closed_form_dim: int
    """Dimensions of the closed form, which come first."""
    scale: float
    """Factor of the closed form's query embeddings, and divisor of its candidate embeddings."""
    weight: float
    """Factor of the trained candidate embeddings."""


class CarriedColumn(Part):
    """Rows of the embedding tables of one column."""

    carried: int
    """Values, and rows of missing and unknown values, that the base had."""
    new: int
    """Values that the base did not have."""
    predicted: int = 0
    """New values that start from a prediction by other features."""
    gone: int
    """Values of the base that are no longer in the vocabulary."""


class WarmStarted(Part):
    """How a training with `training.warm_start` began."""

    trainings: int
    """Warm trainings since the last cold one, this one included; 0 for a cold one."""
    cold: str = ""
    """Why the training was cold; "" for a warm one."""
    towers: str = ""
    """Digest of the base's towers."""
    optimizer: bool = False
    """Whether the optimiser's state was carried."""
    columns: Mapping[str, CarriedColumn] = {}
    """By `side.column`."""


class TrainingReport(Document):
    """Settings, course and result of a training."""

    FILE: ClassVar[str] = "training.json"

    steps: int
    """Optimiser steps behind the chosen weights."""
    events: int
    """Number of training events."""
    batch_size: int
    recipe: Recipe = "towers"
    """How the towers were made; see `models.spec.recipes`."""
    loss: str
    """Name of the loss, never `auto`; `closed_form` without one."""
    temperature: float
    labels: Labels
    exponent: float = 1.0
    """Exponent of the singular values in a closed form; see `models.training.spectrum.Form`."""
    refitted: bool = False
    """Whether the weights were computed once more with the validation events, after these chose the settings;
    `validation` is of the weights before."""
    blend: BlendFacts | None = None
    """Factors of a blend; nothing else is one."""
    tried: tuple[Mapping[str, JsonValue], ...]
    """Short trial runs: `temperature`, `labels` and the validation metric of each, and `recipe` where several were
    compared. Trained towers that a closed form surpassed have their `steps`."""
    metric: str
    """The validation metric that chose the weights."""
    validation: Mapping[str, float]
    """Metrics of the chosen weights; empty after a final fit."""
    validation_queries: int
    notes: tuple[str, ...]
    embedding_dim: int
    parameters: int
    seconds: float
    milliseconds_per_step: float
    curve: tuple[Mapping[str, Number], ...]
    """One entry per validation: `step`, `epoch`, `loss`, `seconds`, and the metrics."""
    warm_start: WarmStarted | None = None
    """None without `training.warm_start`, and in files of older releases."""
