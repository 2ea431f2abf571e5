"""The systems that are compared: configurations of the pipeline fitted to a data set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.datasets.sources import Source, settings
from benchmarks.quality.names import AUTO, BAG, CLOSED_FORM, DEFAULT, ID_ONLY, SYSTEMS
from pipeline.config.yaml_file import read_document

_QUICK_EPOCHS = 2
_BARE = {"projection": False}
_RECIPES: Mapping[str, Mapping[str, Any]] = {
    BAG: {"model": {"query_tower": _BARE, "candidate_tower": _BARE}},
    CLOSED_FORM: {"training": {"method": "closed_form"}},
}


def slug(name: str) -> str:
    """A name as part of a path."""
    return name.replace(" ", "_").replace(",", "")


def write_config(
    system: str, source: Source, *, data: Path | None, work: Path, directory: Path, is_quick: bool
) -> Path:
    """Writes the configuration of a system on a data set.

    Args:
        system: one of `system_names`.
        source: the data set.
        data: the directory that has the data set's folder.
        work: keeps the interactions without withheld events.
        directory: of the data set, for the configuration.
        is_quick: whether training is cut short.
    """
    values = _values(system, source, data, work)
    if is_quick:
        values["training"] = values.get("training", {}) | {"max_epochs": _QUICK_EPOCHS}
    file = directory / "configurations" / f"{slug(system)}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return file


def _values(system: str, source: Source, data: Path | None, work: Path) -> dict[str, Any]:
    """The sections of the configuration, as YAML has them."""
    own = read_document(source.config, settings(source, data, work)).values
    own["data"].setdefault("base_dir", str(source.config.parent))
    if system == DEFAULT:
        return own
    if system == ID_ONLY:
        return own | {"features": {}, "evaluation": {}}
    metric = source.metric if source.at < 100 else "recall@50"
    training = {"metric": own.get("training", {}).get("metric", metric)}
    if system == AUTO:
        return own | {"features": {}, "model": {}, "training": training, "evaluation": {}}
    training["max_epochs"] = source.epochs
    if system in _RECIPES:
        recipe = _RECIPES[system]
        fitted = {"model": recipe.get("model", {}), "training": recipe.get("training", {}) | training}
        return own | fitted | {"features": {}, "evaluation": {}}
    other = read_document(SYSTEMS / f"{system}.yaml").values
    features = other.get("features", {})
    with_features = any(features.get(side) for side in ("query", "context", "candidate"))
    kept = own.get("features", {}) if with_features else {}
    fitted = own | {
        "features": kept | {name: features[name] for name in ("history", "candidate_id") if name in features},
        "model": other.get("model", {}),
        "training": other.get("training", {}) | training,
        "evaluation": {},
    }
    _fit_to_columns(fitted, other)
    return fitted


def _fit_to_columns(own: dict[str, Any], system: Mapping[str, Any]) -> None:
    """Names what the data set has.

    The system's query ids come along. The data set's first categorical feature replaces the one that embeddings are
    aligned by. Event weights stay where events have actions.
    """
    features, model = own["features"], own["model"]
    if augmentation := model.get("augmentation"):
        query_id = augmentation["query_id"]
        features["query"] = features.get("query", {}) | {query_id: system["features"]["query"][query_id]}
        kinds = features.get("candidate", {}).items()
        categories = [name for name, feature in kinds if feature["type"] == "categorical"]
        alignment = augmentation["alignment"] | {"feature": categories[0]} if categories else None
        own["model"] = model | {"augmentation": augmentation | {"alignment": alignment}}
    if own["data"]["interactions"]["format"] != "synthetic":
        own["training"] = own["training"] | {"event_weights": None}
