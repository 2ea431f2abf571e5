"""What `null` and `auto` stand for: a value if the configuration decides it, otherwise the step that decides it."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias, get_args

from components.scann_indexer import IndexConfig
from models.spec.features import CANDIDATE_ID, Feature, NumericFeature, Side
from models.spec.recipes import recipes_to_try
from models.spec.split_config import TimeSplit
from models.spec.trials import labels_to_try, temperatures_to_try
from pipeline.config.config import SERVING, PipelineConfig

Key: TypeAlias = tuple[str, ...]
"""Names of the sections and of the setting."""

_UNSET = (None, "auto")


def resolved(config: PipelineConfig) -> dict[Key, str]:
    """What each setting resolves to that is `null` or `auto`; a `null` that turns something off is left out."""
    return dict(
        [
            *_data(config),
            *_split(config),
            *_features(config),
            *_training(config),
            *_evaluation(config),
            *_index(config.index),
            *_rest(config),
        ]
    )


def _by_data(step: str, options: str = "") -> str:
    return f"{options}{', ' if options else ''}decided by the data in {step}"


def _data(config: PipelineConfig) -> Iterator[tuple[Key, str]]:
    if config.data.base_dir is None:
        yield ("data", "base_dir"), "the folder of the configuration"
    for table, source in config.data.tables().items():
        timestamp = getattr(getattr(source, "columns", None), "timestamp", None)
        meanings = {
            "keep": "every column of a supported type",
            "names": "the first row of each file",
            "data_dir": "TFDS_DATA_DIR or ~/tensorflow_datasets",
            "bytes_as": _by_data("ExampleGen"),
            "time_unit": _time_unit(timestamp),
        }
        for name, meaning in meanings.items():
            if getattr(source, name, "") in _UNSET:
                yield ("data", table, name), meaning
        pivot = getattr(source, "pivot", None)
        if pivot is not None and pivot.time_unit == "auto":
            yield ("data", table, "pivot", "time_unit"), _time_unit(pivot.timestamp)


def _time_unit(timestamp: str | None) -> str:
    return _by_data("ExampleGen") if timestamp else "unused, since there is no timestamp"


def _split(config: PipelineConfig) -> Iterator[tuple[Key, str]]:
    split, columns = config.resolved_split, getattr(config.data.interactions, "columns", None)
    if config.split is None:
        order = columns is not None and columns.timestamp is None
        reasons = {
            "leave_last_n": f"there is {'an order column' if order else 'a timestamp'}",
            "files": "the source gives the splits",
            "ratio": "there is no timestamp and no order column",
        }
        settings = [f"{name} {value}" for name, value in split if name != "method"]
        yield ("split",), f"{', '.join([split.method, *settings])}, since {reasons[split.method]}"
    if isinstance(split, TimeSplit) and split.validation_from is None:
        for name in ("validation_from", "test_from"):
            yield ("split", name), _by_data("Transform", "from the fractions")


def _features(config: PipelineConfig) -> Iterator[tuple[Key, str]]:
    spec = config.features
    for side in get_args(Side):
        for name, feature in spec.of(side).items():
            if name != CANDIDATE_ID:
                yield from _feature((side, name), name, feature)
    yield from _feature((CANDIDATE_ID,), CANDIDATE_ID, spec.candidate_id)


def _feature(place: Key, name: str, feature: Feature) -> Iterator[tuple[Key, str]]:
    key = ("features", *place)
    if feature.column is None:
        yield (*key, "column"), name
    if getattr(feature, "embedding_dim", 0) is None:
        embedded = not isinstance(feature, NumericFeature) or feature.transform == "quantile"
        meaning = _by_data("Transform", "from the number of values") if embedded else "unused; no quantile is embedded"
        yield (*key, "embedding_dim"), meaning


def _training(config: PipelineConfig) -> Iterator[tuple[Key, str]]:
    model, training = config.model, config.training
    recipes = recipes_to_try(config.features, model, training)
    if training.method == "auto":
        yield ("training", "method"), "gradient" if recipes == ("towers",) else _choice(recipes)
    if model.embedding_dim == "auto":
        trained = [str(model.width)] if "towers" in recipes else []
        closed = ["128 for a bag of ids", "64 to 768 for a closed form"] if "closed_form" in recipes else []
        yield ("model", "embedding_dim"), _choice(trained) if not closed else _by_data("Trainer", _or(trained + closed))
    unused = "unused, since method is closed_form" if recipes == ("closed_form",) else ""
    if model.temperature == "auto":
        temperatures = [str(value) for value in temperatures_to_try(model, training.loss.type)]
        yield ("model", "temperature"), unused or _choice(temperatures)
    if training.labels == "auto":
        has_history = config.features.history is not None
        labels = labels_to_try(training, split=config.resolved_split.method, history=has_history)
        yield ("training", "labels"), unused or _choice(labels)
    if training.loss.type == "auto":
        yield ("training", "loss", "type"), unused or _choice(["full_softmax", "in_batch_softmax with mixed negatives"])
    if training.validation_steps is None:
        yield ("training", "validation_steps"), unused or "one epoch"
    for name in ("learning_rate", "max_epochs"):
        if getattr(training.warm_start, name) is None:
            same = f"that of training, {getattr(training, name)}"
            yield ("training", "warm_start", name), same if training.warm_start.is_on else "unused without a base"


def _or(values: Sequence[str]) -> str:
    return " or ".join(values)


def _choice(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else _by_data("Trainer", _or(values))


def _evaluation(config: PipelineConfig) -> Iterator[tuple[Key, str]]:
    evaluation = config.evaluation
    metric = f"ndcg@{evaluation.main_at}"
    if evaluation.min_lift_over_popularity == "auto":
        has_baseline = "popularity" in evaluation.baselines
        text = f"{metric} above popularity's" if has_baseline else "off, since baselines lack popularity"
        yield ("evaluation", "min_lift_over_popularity"), text
    if evaluation.min_lift_over_published == "auto":
        yield ("evaluation", "min_lift_over_published"), f"{metric} not clearly below the served model's"


def _index(index: IndexConfig) -> Iterator[tuple[Key, str]]:
    for name, value in index:
        if value == "auto":
            is_used = name == "search" or index.search != "brute_force"
            text = _by_data("ScannIndexer") if is_used else "unused, since search is brute_force"
            yield ("index", name), text


def _rest(config: PipelineConfig) -> Iterator[tuple[Key, str]]:
    if config.display is None:
        yield ("display",), "the candidates' text column with a name such as title, if there is one"
    if config.pinned_schema.path is None:
        yield ("schema", "path"), "inferred from the data in SchemaGen"
    if config.serving.push.directory is None:
        yield ("serving", "push", "directory"), f"{SERVING}/ under the root"
    beam = {
        "staging_location": getattr(config.beam, "temp_location", ""),
        "worker_command": "the one beside this Python",
        "job_server_jar": "fetched from Maven Central",
    }
    for name, text in beam.items():
        if getattr(config.beam, name, "") is None:
            yield ("beam", name), text
