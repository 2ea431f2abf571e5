"""Opens the model that a training starts from, and says why one cannot be used."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.trainer.known_events import known_share
from components.trainer.params import TrainerParams
from components.trainer.start import Start
from dataplane.artifacts import Model, TransformedExamples, TransformGraph
from dataplane.artifacts.model import TrainingReport, WarmStarted
from dataplane.artifacts.transform_graph import read_spec, read_values
from dataplane.dataset.sequences import read_dataset
from dataplane.errors import PipelineError, RefusedError
from models.saved_models.configuration import read_configuration
from models.saved_models.content import content_digest
from models.spec.config import ModelConfig
from models.spec.features import CategoricalFeature, EncodedSpec, IdFeature, Side, TextFeature
from models.spec.recipes import recipes_to_try, trained_model
from models.training.alignment import Alignment, Key, aligned_by_position, aligned_by_value
from models.training.spectrum import Form
from models.training.warm_start import Base, fixed_widths

_SIDES: tuple[Side, ...] = ("query", "context", "candidate")
_MOST_KNOWN = 0.01
"""Share of the held-out events that the base may have been trained on, for repeated events."""
_REFUSED = (
    "training.warm_start: the base cannot be used: {reason}. Set warm_start.on_mismatch: cold to start from random "
    "weights then, name another base (`run:ID`), or set warm_start: off"
)
BLEND = "the base is a blend of two recipes, which are fitted anew each time"
NO_BASE = "no model had been published when the run began"


class _UnusableError(Exception):
    """The base does not suit; the message says why."""


@dataclass(frozen=True)
class Artifacts:
    """A trained model and the data it was trained on."""

    model: Model
    graph: TransformGraph
    examples: TransformedExamples


def open_start(
    base: Artifacts | None, own: tuple[TransformedExamples, TransformGraph], params: TrainerParams
) -> tuple[Start | None, WarmStarted | None]:
    """Opens the base of a training, or decides that the training is cold.

    Args:
        base: the base; None if there is none.
        own: the data to train on.
        params: parameters of the training.

    Returns:
        Where to start from, None for random weights; and how the report describes it, None without `warm_start`.

    Raises:
        RefusedError: the base cannot be used, and `on_mismatch` is `refuse`.
    """
    settings = params.training.warm_start
    if not settings.is_on:
        return None, None
    if base is None:
        return None, WarmStarted(trainings=0, cold=NO_BASE)
    if TrainingReport.read(base.model).recipe == "blend":
        return None, WarmStarted(trainings=0, cold=BLEND)
    try:
        start = _opened(base, own, params)
    except (_UnusableError, PipelineError, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        if settings.on_mismatch == "refuse":
            raise RefusedError(_REFUSED.format(reason=reason)) from error
        return None, WarmStarted(trainings=0, cold=reason)
    if settings.cold_every is not None and start.trainings >= settings.cold_every:
        return None, WarmStarted(trainings=0, cold=f"warm_start.cold_every: {settings.cold_every}")
    return start, WarmStarted(trainings=start.trainings, towers=start.towers)


def _opened(base: Artifacts, own: tuple[TransformedExamples, TransformGraph], params: TrainerParams) -> Start:
    examples, graph = own
    report, towers = TrainingReport.read(base.model), base.model.path / "towers"
    exported = read_configuration(towers)
    if not exported:
        raise _UnusableError("an older release exported its towers, without their settings")
    config, earlier = ModelConfig.model_validate(exported["model"]), EncodedSpec.model_validate(exported["columns"])
    spec = read_spec(graph)
    dataset = read_dataset(examples)
    if report.recipe not in recipes_to_try(spec.features, params.model, params.training):
        raise _UnusableError(f"its recipe '{report.recipe}' is not among those that this configuration allows")
    if exported["ordered"] != dataset.ordered:
        raise _UnusableError(f"its events were {'' if exported['ordered'] else 'not '}ordered in time")
    for difference in (*_features_differ(earlier, spec), *_models_differ(config, report, params)):
        raise _UnusableError(difference)
    if not params.final:
        share = known_share(read_dataset(base.examples), dataset)
        if share > _MOST_KNOWN:
            raise _UnusableError(f"it was trained on {share:.1%} of the events that this run holds out")
    training = params.training
    weights = Base(
        directory=base.model.path / "checkpoints",
        spec=earlier,
        config=config,
        ordered=dataset.ordered,
        alignments=dict(_alignments(base.graph, earlier, graph, spec)),
        settings=training.warm_start,
    )
    weights.towers()  # a base without its weights is found out here, where it may be left out
    return Start(
        base=weights,
        spec=fixed_widths(spec, earlier, widest=config.width),
        recipe=report.recipe,
        temperature=report.temperature if params.model.temperature == "auto" else params.model.temperature,
        labels=report.labels if training.labels == "auto" else training.labels,
        form=Form(report.embedding_dim, report.exponent),
        trainings=1 + (report.warm_start.trainings if report.warm_start else 0),
        towers=content_digest(towers),
    )


def _alignments(
    base: TransformGraph, earlier: EncodedSpec, graph: TransformGraph, spec: EncodedSpec
) -> Iterator[tuple[Key, Alignment]]:
    for side in _SIDES:
        for name, column in spec.of(side).items():
            if column.kind != "tokens":
                continue
            feature = spec.features.of(side)[column.feature]
            if isinstance(feature, IdFeature | CategoricalFeature) or (
                isinstance(feature, TextFeature) and name == column.feature
            ):
                buckets = 1 if isinstance(feature, TextFeature) else feature.oov_buckets
                values = (read_values(base, side, name), read_values(graph, side, name))
                yield (side, name), aligned_by_value(*values, oov_buckets=buckets)
            else:
                rows = earlier.of(side)[name].vocabulary_size, column.vocabulary_size
                yield (side, name), aligned_by_position(*rows)


def _features_differ(earlier: EncodedSpec, spec: EncodedSpec) -> Iterator[str]:
    """Differences of the features, without those that change a vocabulary alone."""
    before, now = (_without(it.features.model_dump(), "min_count", "max_vocabulary") for it in (earlier, spec))
    for side in (*_SIDES, "candidate_id", "history"):
        if before[side] != now[side]:
            yield f"its features.{side} differ: {_difference(before[side], now[side])}"
    for side in _SIDES:
        for name, column in spec.of(side).items():
            other = earlier.of(side)[name]
            if (other.kind, other.width) != (column.kind, column.width):
                yield f"its column '{name}' has {other.width} values a row, and this one {column.width}"


def _models_differ(config: ModelConfig, report: TrainingReport, params: TrainerParams) -> Iterator[str]:
    """Differences of the towers, without those that change no weight."""
    wanted = params.model
    if report.recipe == "closed_form":
        if wanted.embedding_dim not in ("auto", config.width):
            yield f"its model.embedding_dim is {config.width}, and this one {wanted.embedding_dim}"
        return
    shapes = []
    for each in (config, trained_model(report.recipe, wanted)):
        values = each.model_copy(update={"embedding_dim": each.width}).model_dump()
        shapes.append(_without(values, "dropout", "id_dropout", "temperature"))
    for name, before in shapes[0].items():
        if before != shapes[1][name]:
            yield f"its model.{name} differs: {_difference(before, shapes[1][name])}"


def _difference(before: Any, now: Any) -> str:
    """The first difference of two JSON values in words."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*before, *now]):
            if key not in now or key not in before:
                return f"'{key}' is {'missing here' if key in before else 'new'}"
            if before[key] != now[key]:
                return f"{key}: {_difference(before[key], now[key])}"
    return f"{before} there, {now} here"


def _without(value: Any, *names: str) -> Any:
    """A JSON value without the keys, at any depth."""
    if isinstance(value, Mapping):
        return {key: _without(part, *names) for key, part in value.items() if key not in names}
    return value
