"""Writes the configuration with which TensorFlow Serving serves the published models of a directory."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dataplane.files.locks import exclusive
from models.spec.durable import write_atomically
from serving.published.labels import is_label, parsed_labels

FILE = "models.config"
_HEADER = """\
# tensorflow_model_server --rest_api_port=8501 --model_config_file=models.config
# Every push and rollback replaces this file. If the server sees another path, change base_path in a copy of the file.
# The ScaNN models are commented out, because stock TensorFlow Serving lacks the ScaNN operation.
"""
_LABELS = """\
# Models with labels name their versions: the server follows new versions and labels with
# --model_config_file_poll_wait_seconds=60 --allow_version_labels_for_unavailable_models=true
"""


@dataclass(frozen=True)
class ConfiguredModel:
    """A model of the file.

    Attributes:
        name: name of the model.
        base: path or URI of the model's versions.
        versions: numbers of the versions; none if the model has no labels.
        labels: version of each label.
    """

    name: str
    base: str
    versions: frozenset[int] = frozenset()
    labels: Mapping[str, int] = field(default_factory=dict)

    @property
    def given(self) -> dict[str, int]:
        """The labels of versions that are there."""
        return {label: version for label, version in sorted(self.labels.items()) if version in self.versions}


def write_models_config(directory: Path, *, suffix: str) -> None:
    """Writes `models.config` for all models in a directory; a reader sees the old file or the new one.

    Args:
        directory: the directory with one folder per model.
        suffix: ending of the names of ScaNN models.
    """
    with exclusive(directory):  # two pipelines may publish to one directory at once
        for left in directory.glob(f".{FILE}.*"):  # by a writer that was killed
            left.unlink()
        models = [
            ConfiguredModel(
                name=entry.name,
                base=str(entry),
                versions=frozenset(int(it.name) for it in entry.iterdir() if it.name.isascii() and it.name.isdigit()),
                labels=local_labels(directory, entry.name.removesuffix(suffix)),
            )
            for entry in directory.iterdir()
            if entry.is_dir() and entry.name[0] != "."
        ]
        write_atomically(directory / FILE, models_config(models, suffix=suffix))


def labels_directory(directory: Path, name: str) -> Path:
    """Where the labels of a pair of models are."""
    return directory / f".{name}" / "labels"


def local_labels(directory: Path, name: str) -> dict[str, int]:
    """The version of each label of a pair of models."""
    place = labels_directory(directory, name)
    if not place.is_dir():
        return {}
    return parsed_labels({file.name: file.read_bytes() for file in place.iterdir() if is_label(file.name)})


def models_config(models: Iterable[ConfiguredModel], *, suffix: str) -> str:
    """Content of the file."""
    ordered = sorted(models, key=lambda model: model.name)
    entries = "".join(_entry(model, is_comment=model.name.endswith(suffix)) for model in ordered)
    labels = _LABELS if any(model.given for model in ordered) else ""
    return f"{_HEADER}{labels}model_config_list {{\n{entries}}}\n"


def _entry(model: ConfiguredModel, *, is_comment: bool) -> str:
    name, path = (json.dumps(text, ensure_ascii=False) for text in (model.name, model.base))
    lines = ["config {", f"  name: {name}", f"  base_path: {path}", '  model_platform: "tensorflow"']
    lines += [*_policy(model), "}"]
    return "".join(f"  {'# ' if is_comment else ''}{line}\n" for line in lines)


def _policy(model: ConfiguredModel) -> list[str]:
    """The versions of a model with labels: the newest, and those with labels, which the server must not unload."""
    if not model.given:
        return []
    versions = sorted({max(model.versions), *model.given.values()})
    named = " ".join(f"versions: {version}" for version in versions)
    labels = [f'  version_labels {{ key: "{label}" value: {version} }}' for label, version in model.given.items()]
    return [f"  model_version_policy {{ specific {{ {named} }} }}", *labels]
