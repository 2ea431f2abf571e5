"""Parts of a small serving module, and one module for each kind of search."""

from typing import Any

import pytest
import tensorflow as tf

from models.retrieval.serving import ServingModule
from tests.models.retrieval.small_serving import SEARCHES, Preprocessing, Towers, module


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """Preprocessing and towers, saved and loaded as in a pipeline."""
    path = tmp_path_factory.mktemp("parts")
    tf.saved_model.save(Preprocessing(), str(path / "preprocessing"))
    tf.saved_model.save(Towers(), str(path / "towers"))
    return tf.saved_model.load(str(path / "preprocessing")), tf.saved_model.load(str(path / "towers"))


@pytest.fixture(scope="module")
def modules(parts: tuple[Any, Any]) -> dict[str, ServingModule]:
    return {name: module(parts, make()) for name, make in SEARCHES.items()}
