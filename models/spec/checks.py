"""Checks that sections of a configuration, each valid alone, also fit together. Free of TensorFlow."""

from collections.abc import Collection, Iterator

from models.spec.config import ModelConfig, TrainingConfig
from models.spec.features import EXAMPLE_AGE, CategoricalFeature, FeatureSpec, IdFeature
from models.spec.loss_config import UNSCALED
from models.spec.recipes import changed_settings
from models.spec.strict import Strict
from models.spec.trials import labels_to_try, temperatures_to_try

_IN_ORDER = ("gru", "self_attention")
_OF_CLOSED_FORM = {
    "model": ("embedding_dim",),
    "training": ("method", "max_epochs", "metric", "validation_queries", "use_weights", "event_weights", "final_fit"),
}
"""The settings of each section that a closed form uses."""


def contradictions(
    features: FeatureSpec, model: ModelConfig, training: TrainingConfig, *, orderings: Collection[str], split: str
) -> Iterator[tuple[str, str]]:
    """Yields the key and the message of each problem.

    Args:
        features: inputs of the towers.
        model: the towers.
        training: how they are fitted.
        orderings: columns that order the events, out of `timestamp` and `order`; may be empty.
        split: method by which events are divided.
    """
    if training.method == "closed_form":
        yield from _closed_form(features, model, training)
        return
    encoder, key = model.history_encoder.type, "model.history_encoder"
    if encoder in _IN_ORDER and not orderings:
        yield (
            key,
            f"'{encoder}' needs ordered events: a timestamp or order column in data.interactions.columns",
        )
    if encoder in _IN_ORDER and features.history is None:
        yield key, f"'{encoder}' needs a history; features.history is null"
    if training.examples.type == "sequences" and encoder not in _IN_ORDER:
        yield "training.examples", f"'sequences' needs model.history_encoder gru or self_attention, not '{encoder}'"
    if training.examples.type == "recent" and "timestamp" not in orderings:
        yield "training.examples", "'recent' needs a timestamp column in data.interactions.columns"
    if model.example_age and "timestamp" not in orderings:
        yield "model.example_age", "needs a timestamp column in data.interactions.columns"
    if model.temperature != "auto" and training.loss.type in UNSCALED:
        yield "model.temperature", f"loss '{training.loss.type}' uses no temperature; leave temperature out"
    yield from _labels(features, training, orderings)
    if training.distribution == "multi_worker":
        yield from _auto_on_several_machines(features, model, training, split)
    yield from _augmentation(features, model)
    yield from _unprojected(features, model)
    if model.example_age and EXAMPLE_AGE in {**features.query, **features.context}:
        yield "model.example_age", f"adds a feature of this name; rename the feature '{EXAMPLE_AGE}'"
    yield from _siamese(features, model)


def _closed_form(features: FeatureSpec, model: ModelConfig, training: TrainingConfig) -> Iterator[tuple[str, str]]:
    """A closed form knows the history and the candidate id, and has few settings."""
    others = sorted({*features.query, *features.context, *features.candidate})
    if others:
        fix = f"leave out the features {', '.join(others)}, or use method: gradient"
        yield "training.method", f"a closed form reads only the history and the candidate id; {fix}"
    sections: dict[str, Strict] = {"model": model, "training": training}
    for section, config in sections.items():
        for name in changed_settings(config):
            if name not in _OF_CLOSED_FORM[section]:
                yield f"{section}.{name}", "has no effect on a closed form; leave it out, or use method: gradient"


def _auto_on_several_machines(
    features: FeatureSpec, model: ModelConfig, training: TrainingConfig, split: str
) -> Iterator[tuple[str, str]]:
    if len(temperatures_to_try(model, training.loss.type)) > 1:
        yield "model.temperature", "multi_worker does not support 'auto'; give a number or 'learned'"
    if len(labels_to_try(training, split=split, history=features.history is not None)) > 1:
        message = "multi_worker does not support 'auto' with split.method time; give next or later"
        yield "training.labels", message


def _labels(features: FeatureSpec, training: TrainingConfig, orderings: Collection[str]) -> Iterator[tuple[str, str]]:
    if training.labels != "later":
        return
    if not orderings:
        message = "'later' needs a timestamp or order column in data.interactions.columns"
        yield "training.labels", message
    if features.history is None:
        yield "training.labels", "'later' needs a history; features.history is null"
    if training.examples.type == "sequences":
        yield "training.labels", "'later' needs single events; training.examples: sequences predicts the next ones"


def _siamese(features: FeatureSpec, model: ModelConfig) -> Iterator[tuple[str, str]]:
    others = [*features.query, *features.context, *features.candidate]
    if model.siamese and (features.history is None or others):
        fix = f"leave out the features {', '.join(others)}" if others else "features.history is null"
        yield "model.siamese", f"needs both towers to read only the history and the candidate id; {fix}"


def _unprojected(features: FeatureSpec, model: ModelConfig) -> Iterator[tuple[str, str]]:
    """A tower without a projection has one input, which becomes its embedding."""
    inputs = {"query": {**features.query, **features.context}, "candidate": features.candidate}
    for side, tower in (("query", model.query_tower), ("candidate", model.candidate_tower)):
        key, of_side = f"model.{side}_tower.projection", inputs[side]
        if not tower.projection and of_side:
            yield key, f"a {side} tower without projection reads no features; leave out {', '.join(sorted(of_side))}"
    if not model.query_tower.projection and features.history is None:
        yield "model.query_tower.projection", "a query tower without projection needs features.history, which is null"


def _augmentation(features: FeatureSpec, model: ModelConfig) -> Iterator[tuple[str, str]]:
    augmentation = model.augmentation
    if augmentation is None:
        return
    if not isinstance(features.query.get(augmentation.query_id), IdFeature):
        ids = [name for name, feature in features.query.items() if isinstance(feature, IdFeature)]
        allowed = f"; allowed: {', '.join(ids)}" if ids else "; add one, such as {column: query_id, type: id}"
        yield "model.augmentation.query_id", f"'{augmentation.query_id}' is not a query feature of type id{allowed}"
    alignment = augmentation.alignment
    if alignment is not None and not isinstance(features.candidate.get(alignment.feature), CategoricalFeature):
        yield (
            "model.augmentation.alignment.feature",
            f"'{alignment.feature}' is not a candidate feature of type categorical",
        )
