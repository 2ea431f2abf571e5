from pathlib import Path

import pytest

from components.scann_indexer import IndexConfig, RecallTarget
from tests.components.tiny_world import make_world
from tests.serving.server.exports import described, export


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`exact/1` and `scann/1`, a tree: 200 candidates with columns, of which 8 are answered; not to be changed."""
    root = tmp_path_factory.mktemp("models")
    index = IndexConfig(search="tree", recall_target=RecallTarget(recall=0.9))
    world = make_world(root / "world", candidates=200)
    return export(world, root, top_k=8, index=index, items=described(root / "examples", 200))
