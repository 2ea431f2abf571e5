"""Where a pipeline keeps the parts of its steps, see `dataplane.parts`."""

import shutil
from pathlib import Path

_PARTS = ".parts"


def parts_directory(pipeline: Path, component: str) -> Path:
    """Directory of a component's parts, below that of the pipeline."""
    return pipeline / _PARTS / component


def every_part(pipeline: Path) -> list[Path]:
    """Directories of all finished parts, each in that of its component."""
    return sorted((pipeline / _PARTS).glob("*/[!.]*"))


def remove_unfinished(pipeline: Path) -> None:
    """Deletes parts that a killed process left unfinished. The caller holds the lock."""
    for directory in (pipeline / _PARTS).glob("*/.*"):
        shutil.rmtree(directory)
