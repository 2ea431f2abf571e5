"""Serving models exported from a tiny world, for tests of what loads them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.scann_indexer import IndexConfig, ScannIndexer, ScannIndexerParams
from dataplane.artifacts import Examples, ServingModel
from tests.components.tiny_world import World
from tests.contexts import in_process


def export(world: World, root: Path, *, top_k: int, index: IndexConfig, items: Examples | None = None) -> Path:
    """Exports both models of a world, which know its queries, as `root/exact/1` and `root/scann/1`."""
    inputs = ScannIndexer.Inputs(world.transformed_examples, world.transform_graph, world.model, examples=items)
    outputs = ScannIndexer.Outputs(ServingModel(root / "serving"))
    params = ScannIndexerParams(
        top_k=top_k, index=index, known_queries=True, display="title", item_columns=("year", "gone")
    )
    ScannIndexer(params).execute(inputs, outputs, in_process())
    for name in ("exact", "scann"):
        (root / name).mkdir()
        (root / "serving" / name).rename(root / name / "1")
    return root


def described(root: Path, candidates: int) -> Examples:
    """A table of candidates without an order: all but c00003, c00002 without a title, and an unknown one."""
    numbers = [number for number in reversed(range(candidates + 1)) if number != 3]
    table = {
        "candidate_id": [f"c{number:05d}" for number in numbers],
        "title": [None if number == 2 else f"Tale {number}" for number in numbers],
        "year": [1900 + number for number in numbers],
    }
    (root / "candidates").mkdir(parents=True)
    pq.write_table(pa.table(table), root / "candidates" / "part-0.parquet")
    return Examples(root)
