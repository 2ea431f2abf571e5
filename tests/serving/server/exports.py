"""Serving models exported from a tiny world, for tests of what loads them."""

from pathlib import Path

from components.scann_indexer import IndexConfig, ScannIndexer, ScannIndexerParams
from dataplane.artifacts import ServingModel
from tests.components.tiny_world import World
from tests.contexts import in_process


def export(world: World, root: Path, *, top_k: int, index: IndexConfig) -> Path:
    """Exports both models of a world as `root/exact/1` and `root/scann/1`."""
    inputs = ScannIndexer.Inputs(world.transformed_examples, world.transform_graph, world.model)
    outputs = ScannIndexer.Outputs(ServingModel(root / "serving"))
    ScannIndexer(ScannIndexerParams(top_k=top_k, index=index)).execute(inputs, outputs, in_process())
    for name in ("exact", "scann"):
        (root / name).mkdir()
        (root / "serving" / name).rename(root / name / "1")
    return root
