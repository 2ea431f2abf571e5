"""Reads the candidates' ids and embeddings of a serving model without loading its graph."""

from pathlib import Path

import numpy as np
import tensorflow as tf

_EMBEDDINGS = "search/embeddings/.ATTRIBUTES/VARIABLE_VALUE"
_IDS = "candidate_ids/ids/.ATTRIBUTES/VARIABLE_VALUE"


def exported_embeddings(directory: Path) -> np.ndarray:
    """Candidate embeddings in the SavedModel of an exact serving module, float32 `[candidates, dim]`."""
    embeddings: np.ndarray = tf.train.load_variable(str(directory / "variables" / "variables"), _EMBEDDINGS)
    return embeddings


def exported_ids(directory: Path) -> set[str]:
    """Candidate ids in the SavedModel of a serving module."""
    ids = tf.train.load_variable(str(directory / "variables" / "variables"), _IDS)
    return {name.decode() for name in ids.tolist() if name}
