"""The configuration file with which TensorFlow Serving serves what is published in a directory."""

import fcntl
import json
import os
from pathlib import Path

FILE = "models.config"
_HEADER = """\
# tensorflow_model_server --rest_api_port=8501 --model_config_file=models.config
# Written anew at every push and rollback; change base_path in a copy of yours where the server sees another path.
# The ScaNN models are commented out: stock TensorFlow Serving has no ScaNN operation, a server built with it has.
"""


def write_models_config(directory: Path, *, suffix: str) -> None:
    """Writes `models.config` for all models in `directory`, so that a reader sees the old file or the new one.

    Args:
        directory: where the models' folders are.
        suffix: what the names of ScaNN models end in.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # two pipelines may publish to one directory at once
        names = sorted(entry.name for entry in directory.iterdir() if entry.is_dir() and entry.name[0] != ".")
        entries = "".join(_entry(directory / name, is_comment=name.endswith(suffix)) for name in names)
        temporary = directory / f".{FILE}"
        temporary.write_text(f"{_HEADER}model_config_list {{\n{entries}}}\n", encoding="utf-8")
        temporary.replace(directory / FILE)
    finally:
        os.close(descriptor)


def _entry(model: Path, *, is_comment: bool) -> str:
    name, path = (json.dumps(text, ensure_ascii=False) for text in (model.name, str(model)))
    lines = ["config {", f"  name: {name}", f"  base_path: {path}", '  model_platform: "tensorflow"', "}"]
    return "".join(f"  {'# ' if is_comment else ''}{line}\n" for line in lines)
