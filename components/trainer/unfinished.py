"""Checks the state of an interrupted training before it is continued."""

import shutil
from collections.abc import Callable
from pathlib import Path

from models.training.unfinished import damage


def drop_damaged(directory: Path, warn: Callable[[str], None]) -> None:
    """Removes each damaged part, so that it starts again; the other parts continue.

    Args:
        directory: state of an interrupted training; it may be empty or missing.
        warn: called with a line about each damaged part.
    """
    for file in sorted(directory.rglob("*.json")):
        if file.exists() and (found := damage(file)):
            warn(f"the state of an interrupted training in {file.parent} is damaged: {found}; this part starts again")
            shutil.rmtree(file.parent)
            file.parent.mkdir()
