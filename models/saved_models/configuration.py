"""The settings with which a SavedModel was exported, beside its graph; free of TensorFlow."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIGURATION = Path("assets.extra") / "configuration.json"
"""Where a SavedModel has its configuration."""


def write_configuration(directory: Path, configuration: Mapping[str, Any]) -> None:
    """Writes into a SavedModel the configuration that it depends on besides variables and assets.

    Args:
        directory: directory of the SavedModel.
        configuration: JSON values; equal for models that compute the same from equal variables and assets.
    """
    (directory / CONFIGURATION).parent.mkdir(exist_ok=True)
    text = json.dumps(configuration, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    (directory / CONFIGURATION).write_text(text + "\n", encoding="utf-8")


def read_configuration(directory: Path) -> Mapping[str, Any]:
    """The configuration of a SavedModel; empty if an older release exported it.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not JSON.
    """
    if not has_configuration(directory):
        return {}
    configuration: Mapping[str, Any] = json.loads((directory / CONFIGURATION).read_text(encoding="utf-8"))
    return configuration


def has_configuration(directory: Path) -> bool:
    """Whether a SavedModel has a configuration; older releases did not write one."""
    return (directory / CONFIGURATION).is_file()
