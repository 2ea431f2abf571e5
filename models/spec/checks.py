"""What the sections of a configuration allow each, but not together. Free of TensorFlow."""

from collections.abc import Collection, Iterator

from models.spec.config import ModelConfig, TrainingConfig
from models.spec.features import EXAMPLE_AGE, CategoricalFeature, FeatureSpec, IdFeature
from models.spec.loss_config import UNSCALED
from models.spec.trials import labels_to_try, temperatures_to_try

_IN_ORDER = ("gru", "self_attention")


def contradictions(
    features: FeatureSpec, model: ModelConfig, training: TrainingConfig, *, orderings: Collection[str], split: str
) -> Iterator[tuple[str, str]]:
    """Key and message of each problem.

    Args:
        features: what the towers see.
        model: the towers.
        training: how they are fitted.
        orderings: what orders the events, of `timestamp` and `order`; none if nothing does.
        split: method by which events are divided.
    """
    encoder, key = model.history_encoder.type, "model.history_encoder"
    if encoder in _IN_ORDER and not orderings:
        yield (
            key,
            f"'{encoder}' reads events in order: it needs a timestamp or order column in data.interactions.columns",
        )
    if encoder in _IN_ORDER and features.history is None:
        yield key, f"'{encoder}' reads the history; features.history is null"
    if training.examples.type == "sequences" and encoder not in _IN_ORDER:
        yield "training.examples", f"'sequences' needs model.history_encoder gru or self_attention, not '{encoder}'"
    if training.examples.type == "recent" and "timestamp" not in orderings:
        yield "training.examples", "'recent' needs a timestamp column in data.interactions.columns"
    if model.example_age and "timestamp" not in orderings:
        yield "model.example_age", "needs a timestamp column in data.interactions.columns"
    if model.temperature != "auto" and training.loss.type in UNSCALED:
        yield "model.temperature", f"loss '{training.loss.type}' takes scores as they are; leave temperature out"
    yield from _labels(features, training, orderings)
    if training.distribution == "multi_worker":
        yield from _tried_out(features, model, training, split)
    yield from _augmentation(features, model)
    yield from _unprojected(features, model)
    if model.example_age and EXAMPLE_AGE in {**features.query, **features.context}:
        yield "model.example_age", f"brings a feature of that name along; rename the feature '{EXAMPLE_AGE}'"
    yield from _siamese(features, model)


def _tried_out(
    features: FeatureSpec, model: ModelConfig, training: TrainingConfig, split: str
) -> Iterator[tuple[str, str]]:
    if len(temperatures_to_try(model, training.loss.type)) > 1:
        yield "model.temperature", "'auto' is tried out on one machine; name a number, or 'learned', for multi_worker"
    if len(labels_to_try(training, split=split, history=features.history is not None)) > 1:
        message = "'auto' is tried out on one machine where split.method is time; name next or later for multi_worker"
        yield "training.labels", message


def _labels(features: FeatureSpec, training: TrainingConfig, orderings: Collection[str]) -> Iterator[tuple[str, str]]:
    if training.labels != "later":
        return
    if not orderings:
        message = "'later' than what: it needs a timestamp or order column in data.interactions.columns"
        yield "training.labels", message
    if features.history is None:
        yield "training.labels", "'later' is where the history ends; features.history is null"
    if training.examples.type == "sequences":
        yield "training.labels", "'later' is for single events; training.examples: sequences predicts the next ones"


def _siamese(features: FeatureSpec, model: ModelConfig) -> Iterator[tuple[str, str]]:
    others = [*features.query, *features.context, *features.candidate]
    if model.siamese and (features.history is None or others):
        mend = f"leave out the features {', '.join(others)}" if others else "features.history is null"
        yield "model.siamese", f"needs towers of the same inputs, a history and the candidate id; {mend}"


def _unprojected(features: FeatureSpec, model: ModelConfig) -> Iterator[tuple[str, str]]:
    """A tower without a projection has one input, which is its embedding."""
    inputs = {"query": {**features.query, **features.context}, "candidate": features.candidate}
    for side, tower in (("query", model.query_tower), ("candidate", model.candidate_tower)):
        key, of_side = f"model.{side}_tower.projection", inputs[side]
        if not tower.projection and of_side:
            yield key, f"without one the {side} tower reads no features; leave out {', '.join(sorted(of_side))}"
    if not model.query_tower.projection and features.history is None:
        yield "model.query_tower.projection", "without one the query tower is its history; features.history is null"


def _augmentation(features: FeatureSpec, model: ModelConfig) -> Iterator[tuple[str, str]]:
    augmentation = model.augmentation
    if augmentation is None:
        return
    if not isinstance(features.query.get(augmentation.query_id), IdFeature):
        ids = [name for name, feature in features.query.items() if isinstance(feature, IdFeature)]
        allowed = f"; allowed: {', '.join(ids)}" if ids else "; there is none, such as {column: query_id, type: id}"
        yield "model.augmentation.query_id", f"'{augmentation.query_id}' is no query feature of type id{allowed}"
    alignment = augmentation.alignment
    if alignment is not None and not isinstance(features.candidate.get(alignment.feature), CategoricalFeature):
        yield (
            "model.augmentation.alignment.feature",
            f"'{alignment.feature}' is no candidate feature of type categorical",
        )
