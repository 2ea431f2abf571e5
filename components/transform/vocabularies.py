"""Vocabularies as files of a TransformGraph: the values with a token of their own, and how often each occurs."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.spec.features import CategoricalFeature, IdFeature, Side, TextFeature


def vocabulary_path(graph: Path, side: Side, name: str) -> Path:
    """File of a feature's vocabulary: one row per token, starting after the out-of-vocabulary tokens."""
    return graph / "vocabularies" / f"{side}.{name}.parquet"


def select_vocabulary(feature: IdFeature | CategoricalFeature | TextFeature, counts: pa.Table) -> pa.Table:
    """Selects the values of a vocabulary: the most frequent first, ties ordered by value.

    Args:
        feature: gives `min_count` and `max_vocabulary`.
        counts: distinct `value`s and their `count`.
    """
    enough = pc.greater_equal(counts["count"], feature.min_count)
    frequent = counts.filter(pc.and_(enough, pc.not_equal(counts["value"], "")))
    frequent = frequent.cast(pa.schema({"value": pa.large_string(), "count": pa.int64()}))
    return frequent.sort_by([("count", "descending"), ("value", "ascending")]).slice(0, feature.max_vocabulary)


def write_vocabulary(path: Path, vocabulary: pa.Table) -> None:
    """Writes a vocabulary that `select_vocabulary` returned."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(vocabulary.cast(pa.schema({"value": pa.string(), "count": pa.int64()})), path)


def read_vocabulary(path: Path) -> np.ndarray:
    """The values of a vocabulary in the order of their tokens, object `[tokens]`."""
    values: np.ndarray = pq.read_table(path, columns=["value"])["value"].to_numpy()
    return values
