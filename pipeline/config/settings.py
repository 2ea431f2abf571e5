"""The settings of a configuration as a flat list: what the user set, and what was left at its default."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dataplane.errors.credentials import redacted
from pipeline.config.config import PipelineConfig


@dataclass(frozen=True)
class Setting:
    """One value of a configuration.

    Attributes:
        key: dotted key, such as `training.batch_size`.
        value: a JSON value; lists and empty mappings are one value.
        default: whether the user left it alone.
    """

    key: str
    value: Any
    default: bool


def span_setting(span: str) -> str:
    """The setting, as `--set` takes it, that makes a span the run's."""
    return f"data.spans.span={json.dumps(span)}"


def settings_given(config: PipelineConfig) -> dict[str, Any]:
    """What the user set, nested as in the file, without credentials."""
    given: dict[str, Any] = _redacted(config.model_dump(mode="json", by_alias=True, exclude_unset=True))
    return {key: value for key, value in given.items() if value != {}}


def display_column(given: Mapping[str, Any]) -> str | None:
    """The column that `display` names; None if it is not set, or the settings are those of another release.

    Args:
        given: what `settings_given` returned.
    """
    try:
        return PipelineConfig.model_validate(given).display_column if "display" in given else None
    except ValidationError:
        return None


def with_defaults(given: Mapping[str, Any]) -> list[Setting]:
    """All settings in the order of the configuration; of another release only those that were set.

    Args:
        given: what `settings_given` returned.
    """
    set_by_user = dict(flattened(given))
    try:
        config = PipelineConfig.model_validate(given)
    except ValidationError:
        return [Setting(key, value, default=False) for key, value in set_by_user.items()]
    every = flattened(config.model_dump(mode="json", by_alias=True))
    return [Setting(key, value, default=not _is_set(key, set_by_user)) for key, value in every]


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of nested mappings."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _is_set(key: str, set_by_user: Mapping[str, Any]) -> bool:
    """Whether the key was set, or a value below it that is a default's only part."""
    return key in set_by_user or any(given.startswith(f"{key}.") for given in set_by_user)


def _redacted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _redacted(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_redacted(part) for part in value]
    return redacted(value) if isinstance(value, str) else value
