"""Reading a configuration file: safe YAML with line numbers, `extends`, and `key=value` settings on top."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components.errors import ConfigError

_EXTENDS = "extends"


@dataclass(frozen=True)
class Document:
    """Values read from files and settings.

    Attributes:
        values: the merged mapping.
        origins: where each dotted key was written, as `file:line` or `--set`.
    """

    values: dict[str, Any]
    origins: dict[str, str]

    def origin(self, key: str) -> str:
        """Where `key`, or the closest part of the file that contains it, was written."""
        while key and key not in self.origins:
            key = key.rpartition(".")[0]
        return self.origins.get(key, "")


def read_document(file: Path, settings: Sequence[str] = ()) -> Document:
    """Reads a YAML file, the files it extends, and settings such as `training.batch_size=256`.

    A file with `extends: OTHER.yaml` (relative to itself), or a list of files, starts from their values, each laid
    over those before it; mappings are merged key by key, everything else is replaced.

    Raises:
        ConfigError: a file is missing or is not a YAML mapping, or a setting has no key.
    """
    document = _read(file, seen=())
    for setting in settings:
        key, separator, text = setting.partition("=")
        if not separator or not key.strip():
            raise ConfigError(f"--set {setting}: expected key=value, such as training.batch_size=256")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {setting}: the value is not YAML: {error}") from None
        for part in reversed(key.strip().split(".")):
            value = {part: value}
        origins = dict.fromkeys(_keys(value), "--set")
        document = Document(_merge(document.values, value), document.origins | origins)
    return document


def _read(file: Path, seen: tuple[Path, ...]) -> Document:
    if file.resolve() in seen:
        raise ConfigError(f"{file}: 'extends' goes round in a circle")
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: not valid YAML: {error}") from None
    if not isinstance(values, dict) or not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{file}: expected a mapping of sections at the top, found {type(values).__name__}")
    origins = _origins(node, file)
    bases = values.pop(_EXTENDS, [])
    document = Document({}, {})
    for base in bases if isinstance(bases, list) else [bases]:
        document = _laid_over(document, _read(file.parent / str(base), (*seen, file.resolve())))
    return _laid_over(document, Document(values, origins))


def _laid_over(below: Document, above: Document) -> Document:
    return Document(_merge(below.values, above.values), below.origins | above.origins)


def _origins(node: yaml.Node, file: Path, prefix: str = "") -> dict[str, str]:
    origins: dict[str, str] = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            path = f"{prefix}{key.value}"
            if path in origins:
                raise ConfigError(f"{file}:{key.start_mark.line + 1}: '{path}' is written twice")
            origins[path] = f"{file}:{key.start_mark.line + 1}"
            origins |= _origins(value, file, f"{path}.")
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            origins[f"{prefix}{index}"] = f"{file}:{value.start_mark.line + 1}"
            origins |= _origins(value, file, f"{prefix}{index}.")
    return origins


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _keys(values: Any, prefix: str = "") -> list[str]:
    if not isinstance(values, dict):
        return []
    return [name for key, value in values.items() for name in (prefix + key, *_keys(value, f"{prefix}{key}."))]
