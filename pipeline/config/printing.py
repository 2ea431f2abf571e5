"""A configuration in full, as YAML: every value, defaults too, and where it comes from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from dataplane.errors.credentials import redacted
from pipeline.config.config import PipelineConfig
from pipeline.config.written import Written
from pipeline.config.yaml_file import read_document

_DEFAULT = "default"
_COMMENT_COLUMN = 56


def print_config(file: Path, settings: Sequence[str] = ()) -> str:
    """The whole configuration, which can be saved beside the file and used as it is.

    Args:
        file: the YAML file; a valid one.
        settings: `key=value` settings that override it.
    """
    document = read_document(file, settings)
    config = PipelineConfig.model_validate(document.values)
    values = config.model_dump(mode="json", by_alias=True)
    lines = [
        f"{text:<{_COMMENT_COLUMN}}  # {_told(origin, file)}" if origin else text
        for text, origin in _lines(values, document.written, 0)
    ]
    return "\n".join(lines)


def _lines(values: Mapping[str, Any], written: Written | None, depth: int) -> Iterator[tuple[str, str]]:
    """Each line with its origin; "" for the beginning of a mapping, whose entries have their own."""
    for key, value in values.items():
        part, origin = _origin(written, key)
        start = f"{'  ' * depth}{_scalar(key)}:"
        if isinstance(value, Mapping) and value:
            yield start, ""
            yield from _lines(value, part, depth + 1)
        else:
            yield f"{start} {_value(value)}", origin


def _origin(written: Written | None, key: str) -> tuple[Written | None, str]:
    """The value as it was written, and where; a short form stands for the whole of what it became."""
    if written is None:
        return None, _DEFAULT
    if written.kind != "mapping":
        return written, written.origin
    part = written.parts.get(key)
    return part, _DEFAULT if part is None else part.origin


def _told(origin: str, file: Path) -> str:
    of_other_file = origin not in (_DEFAULT, "--set") and origin.rpartition(":")[0] != str(file)
    return f"{origin} (extended)" if of_other_file else origin


def _value(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return redacted(json.dumps(value, ensure_ascii=False))
    return _scalar(value)


def _scalar(value: Any) -> str:
    text: str = yaml.safe_dump(value, allow_unicode=True, width=float("inf"))
    return redacted(text.removesuffix("\n").removesuffix("...").removesuffix("\n"))
