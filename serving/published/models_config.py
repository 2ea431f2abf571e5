"""Writes the configuration with which TensorFlow Serving serves the published models of a directory."""

import json
from collections.abc import Mapping
from pathlib import Path

from dataplane.files.locks import exclusive
from models.spec.durable import write_atomically

FILE = "models.config"
_HEADER = """\
# tensorflow_model_server --rest_api_port=8501 --model_config_file=models.config
# Every push and rollback replaces this file. If the server sees another path, change base_path in a copy of the file.
# The ScaNN models are commented out, because stock TensorFlow Serving lacks the ScaNN operation.
"""


def write_models_config(directory: Path, *, suffix: str) -> None:
    """Writes `models.config` for all models in a directory; a reader sees the old file or the new one.

    Args:
        directory: the directory with one folder per model.
        suffix: ending of the names of ScaNN models.
    """
    with exclusive(directory):  # two pipelines may publish to one directory at once
        for left in directory.glob(f".{FILE}.*"):  # by a writer that was killed
            left.unlink()
        names = sorted(entry.name for entry in directory.iterdir() if entry.is_dir() and entry.name[0] != ".")
        bases = {name: str(directory / name) for name in names}
        write_atomically(directory / FILE, models_config(bases, suffix=suffix))


def models_config(bases: Mapping[str, str], *, suffix: str) -> str:
    """Content of the file, given the path or URI of each model's versions by the model's name."""
    entries = "".join(_entry(name, base, is_comment=name.endswith(suffix)) for name, base in sorted(bases.items()))
    return f"{_HEADER}model_config_list {{\n{entries}}}\n"


def _entry(model: str, base: str, *, is_comment: bool) -> str:
    name, path = (json.dumps(text, ensure_ascii=False) for text in (model, base))
    lines = ["config {", f"  name: {name}", f"  base_path: {path}", '  model_platform: "tensorflow"', "}"]
    return "".join(f"  {'# ' if is_comment else ''}{line}\n" for line in lines)
