"""A candidate table with attributes of every type, for the worlds of `tiny_world`, and questions about them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scann  # noqa: F401  registers the operations of the ScaNN model
import tensorflow as tf

from components.scann_indexer import IndexConfig
from dataplane.artifacts import Examples
from dataplane.shards import shard_path
from serving.model.descriptions import read_description
from serving.model.requests import as_batch, complete_request

FIRST = datetime(2020, 1, 1, tzinfo=UTC)
FILTERS = {
    "genres": "all_of",
    "taboo": {"kind": "none_of", "column": "genres"},
    "country": "any_of",
    "in_stock": "equals",
    "price": "range",
    "released": "range",
}
COUNT = 120
IDS = [f"c{number:05d}" for number in range(COUNT)]
INDEX = IndexConfig.model_validate({"filters": FILTERS, "max_per": ["country"]})


def attributes(candidates: int, *, price: float = 1.0) -> pa.Table:
    """Rows by candidate: candidate n costs n times `price` and appeared on day n. Every seventh has no values."""
    numbers = np.arange(candidates)
    missing = numbers % 7 == 3
    genres = [["war"] * (n % 2) + ["", "drama"] * (n % 3 > 0) for n in range(candidates)]
    return pa.table(
        {
            "candidate_id": [f"c{number:05d}" for number in numbers],
            "genres": pa.array([None if gone else it for it, gone in zip(genres, missing, strict=True)]),
            "country": pa.array([["nl", "de", "é"][n % 3] for n in numbers], mask=missing).dictionary_encode(),
            "in_stock": pa.array(numbers % 2 == 0, mask=missing),
            "price": pa.array(numbers * price, mask=missing),
            "released": pa.array([FIRST + timedelta(days=int(n)) for n in numbers], mask=missing),
        }
    )


def write_attributes(examples: Examples, table: pa.Table) -> None:
    """Writes the table in another order than the candidates', in two shards."""
    directory = examples.path / "candidates"
    directory.mkdir(parents=True, exist_ok=True)
    table = table.take(pa.array(np.arange(len(table))[::-1]))
    for number, start in enumerate((0, len(table) // 2)):
        stop = (len(table) // 2, len(table))[number]
        pq.write_table(table.slice(start, stop - start), shard_path(directory, number))


def answered(model: Path, options: list[dict[str, Any]]) -> list[set[int]]:
    """Rows of the candidates that answer a query with each of the options."""
    inputs = read_description(model).inputs("recommend_where")
    batch = as_batch(inputs, [complete_request(inputs, it) for it in options])
    tensors = {name: tf.constant(batch[name], spec.dtype) for name, spec in inputs.items()}
    found = tf.saved_model.load(str(model)).signatures["recommend_where"](**tensors)["candidate_ids"].numpy()
    return [{int(name[1:]) for name in row if name} for row in found]
