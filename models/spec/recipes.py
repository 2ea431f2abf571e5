"""The recipes that `training.method: auto` compares on validation. Free of TensorFlow.

`towers`: as configured; by default a query tower with a hidden layer. It wins where events have an order.
`bag`: both towers without projection, so that a query is the mean of its history's ids. It wins where a large catalogue
    has few events per candidate and no order, on which layers memorise.
`closed_form`: a truncated SVD of the interactions. It wins on dense static data, and costs seconds.
`blend`: the better of the trained ones and the closed form side by side, so that their scores add up. It wins where
    they err on different candidates, and costs longer embeddings.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from models.spec.config import ModelConfig, TowerConfig, TrainingConfig
from models.spec.features import FeatureSpec
from models.spec.strict import Strict

Recipe = Literal["towers", "bag", "closed_form", "blend"]
TRAINED: tuple[Recipe, ...] = ("towers", "bag")
"""The recipes that are trained in steps."""
_BAG_WIDTH = 128
"""Length of the embeddings of bags where the configuration names none."""
_BAG_SCHEDULE: Mapping[str, Any] = {
    "batch_size": 2048,
    "learning_rate": 0.005,
    "learning_rate_schedule": "cosine",
}
_BAG_EPOCHS, _BAG_STEPS = 8, 2000
"""Fewest passes over the events, and fewest steps, of bags."""

_FREE = {
    "model": ("embedding_dim",),
    "training": (
        "method",
        "batch_size",
        "max_epochs",
        "full_softmax_budget",
        "use_weights",
        "event_weights",
        "metric",
        "patience",
        "validation_steps",
        "validation_queries",
        "warm_start",
        "final_fit",
    ),
}
"""Settings that all recipes keep. Any other one that is not the default asks for the towers."""


def changed_settings(config: Strict) -> list[str]:
    """Names of the settings that differ from their defaults."""
    fields = type(config).model_fields
    return [name for name, field in fields.items() if getattr(config, name) != field.get_default()]


def recipes_to_try(features: FeatureSpec, model: ModelConfig, training: TrainingConfig) -> Sequence[Recipe]:
    """The recipes that the configuration leaves open, the configured towers first.

    Only towers read features, so a configuration with features has no other recipe.
    """
    if training.method == "closed_form":
        return ("closed_form",)
    changed = {"model": changed_settings(model), "training": changed_settings(training)}
    is_named = any(name not in _FREE[section] for section, names in changed.items() for name in names)
    has_features = features.query or features.context or features.candidate
    if training.method == "gradient" or is_named or has_features or features.history is None:
        return ("towers",)
    return ("towers", "bag", "closed_form", "blend")


def trained_model(recipe: Recipe, model: ModelConfig) -> ModelConfig:
    """The settings of the towers of a recipe that is trained in steps."""
    if recipe == "towers":
        return model
    width = _BAG_WIDTH if model.embedding_dim == "auto" else model.embedding_dim
    bare = TowerConfig(projection=False)
    return model.model_copy(update={"query_tower": bare, "candidate_tower": bare, "embedding_dim": width})


def schedule(recipe: Recipe, training: TrainingConfig, *, events: int) -> TrainingConfig:
    """The settings of the steps of a recipe that is trained in steps.

    Bags learn best in few passes with large batches and a learning rate that decays to 0.

    Args:
        recipe: which.
        training: settings that are not the default are kept.
        events: number of training events.
    """
    if recipe == "towers":
        return training
    kept = changed_settings(training)
    free = {name: value for name, value in _BAG_SCHEDULE.items() if name not in kept}
    bag = training.model_copy(update=free)
    if "max_epochs" in kept:
        return bag
    epochs = math.ceil(_BAG_STEPS * bag.batch_size / max(events, 1))
    return bag.model_copy(update={"max_epochs": min(max(epochs, _BAG_EPOCHS), training.max_epochs)})
