"""Looks at what an interrupted training left before it is gone on with."""

import shutil
from collections.abc import Callable
from pathlib import Path

from models.training.unfinished import damage


def drop_damaged(directory: Path, warn: Callable[[str], None]) -> None:
    """Removes each part that is damaged, so that it is done anew; the others are gone on with.

    Args:
        directory: what an interrupted training left, if anything.
        warn: takes a line about each damaged part.
    """
    for file in sorted(directory.rglob("*.json")):
        if file.exists() and (found := damage(file)):
            warn(f"what an interrupted training left in {file.parent} is damaged: {found}; this part starts again")
            shutil.rmtree(file.parent)
            file.parent.mkdir()
