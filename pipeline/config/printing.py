"""A configuration in full, as YAML: every value, defaults too, where it comes from and what `auto` stands for."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from dataplane.errors.credentials import redacted
from pipeline.config.config import PipelineConfig, with_absolute_paths
from pipeline.config.resolved import Key, resolved
from pipeline.config.written import Written
from pipeline.config.yaml_file import read_document

_DEFAULT = "default"
_COMMENT_COLUMN = 56


def print_config(file: Path, settings: Sequence[str] = ()) -> str:
    """The whole configuration, which can be saved anywhere on this machine and used as it is.

    Args:
        file: the YAML file; a valid one.
        settings: `key=value` settings that override it.
    """
    document = read_document(file, settings)
    config = PipelineConfig.model_validate(document.values)
    meanings = resolved(config)
    lines = [
        f"{line.text:<{_COMMENT_COLUMN}}  # {_told(line.origin, file, meanings.get(line.key, ''))}"
        if line.origin
        else line.text
        for line in _lines(_values(with_absolute_paths(config, file.absolute().parent)), document.written, ())
    ]
    return "\n".join(lines)


def _values(config: PipelineConfig) -> dict[str, Any]:
    """The values with the directory that relative paths of tables start from, which is no part of cache keys."""
    values = config.model_dump(mode="json", by_alias=True)
    return {**values, "data": {"base_dir": str(config.data.base_dir), **values["data"]}}


class _Line(NamedTuple):
    """A line of the text; `origin` is "" at the beginning of a mapping, whose entries have their own."""

    text: str
    key: Key = ()
    origin: str = ""


def _lines(values: Mapping[str, Any], written: Written | None, above: Key) -> Iterator[_Line]:
    for key, value in values.items():
        part, origin = _origin(written, key)
        start = f"{'  ' * len(above)}{_scalar(key)}:"
        if isinstance(value, Mapping) and value:
            yield _Line(start)
            yield from _lines(value, part, (*above, key))
        else:
            yield _Line(f"{start} {_value(value)}", (*above, key), origin)


def _origin(written: Written | None, key: str) -> tuple[Written | None, str]:
    """The value as it was written, and where; a short form stands for the whole of what it became."""
    if written is None:
        return None, _DEFAULT
    if written.kind != "mapping":
        return written, written.origin
    part = written.parts.get(key)
    return part, _DEFAULT if part is None else part.origin


def _told(origin: str, file: Path, meaning: str) -> str:
    of_other_file = origin not in (_DEFAULT, "--set") and origin.rpartition(":")[0] != str(file)
    told = f"{origin} (extended)" if of_other_file else origin
    return f"{told}: {redacted(meaning)}" if meaning else told


def _value(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return redacted(json.dumps(value, ensure_ascii=False))
    return _scalar(value)


def _scalar(value: Any) -> str:
    text: str = yaml.safe_dump(value, allow_unicode=True, width=float("inf"))
    return redacted(text.removesuffix("\n").removesuffix("...").removesuffix("\n"))
