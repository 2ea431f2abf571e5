"""The test metrics of each query, which intervals between methods need."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

_NAMES = ("hit_rate", "ndcg", "recall")
_FILE = "per_query.npz"


def write_per_query(directory: Path, values: Mapping[str, np.ndarray], at: int) -> None:
    """Writes the metrics at a cut-off, by name without the cut-off."""
    kept: dict[str, Any] = {name: values[f"{name}@{at}"].astype(np.float32) for name in _NAMES}
    np.savez(directory / _FILE, **kept)


def read_per_query(directory: Path) -> dict[str, np.ndarray]:
    """Reads the metrics of each query by name."""
    with np.load(directory / _FILE) as values:
        return dict(values)
