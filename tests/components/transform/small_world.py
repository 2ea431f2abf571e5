"""Tables of a small world, Transform on them, and what it should give, for tests."""

import filecmp
import itertools
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.transform import Transform, TransformParams
from dataplane.artifacts import Examples, Schema, TransformedExamples, TransformGraph
from dataplane.columns.hashing import hash_pairs, hash_strings
from dataplane.columns.raw_features import raw_features
from dataplane.dataset.sequences import Dataset, Split, read_dataset
from models.spec.features import FeatureSpec, Side
from tests.contexts import in_process

FEATURES = FeatureSpec.model_validate(
    {
        "query": {
            "city": {"type": "categorical"},
            "age": {"type": "numeric"},
            "user": {"type": "id", "column": "query_id"},
        },
        "context": {
            "device": {"type": "categorical", "min_count": 2},
            "when": {"type": "timestamp", "column": "timestamp", "parts": ["hour", "weekday"]},
            "basket": {"type": "numeric", "transform": "quantile", "buckets": 4},
        },
        "candidate": {
            "title": {"type": "text", "trigram_buckets": 20, "min_count": 1},
            "rare_words_apart": {"type": "text", "column": "title"},
            "genres": {"type": "categorical", "max_values": 2},
            "vector": {"type": "vector", "dimension": 2},
        },
        "history": {"max_length": 5},
    }
)
DEVICES = ["phone", "tablet\nmini", "télé", None]


def interactions(rows: int = 600, seed: int = 3) -> pa.Table:
    random = np.random.default_rng(seed)
    queries = random.integers(0, 40, rows)
    candidates = np.minimum(random.geometric(0.08, rows), 50)
    return pa.table(
        {
            "query_id": [f"ü{number:03}" for number in queries],
            "candidate_id": [str(number) for number in candidates],
            # Few moments, so that ties are the rule.
            "timestamp": pa.array(random.integers(0, 30, rows) * 3_600_000_000 + 10**15, pa.timestamp("us", "UTC")),
            "weight": random.integers(1, 6, rows).astype(np.float32),
            "device": pa.array([DEVICES[number] for number in random.integers(0, 4, rows)]),
            "basket": random.normal(size=rows).round(2),
        }
    )


def entity_tables() -> dict[str, pa.Table]:
    queries = pa.table(
        {
            "query_id": [f"ü{number:03}" for number in range(5, 45)],
            "city": ["Köln", "Paris", None, "Rīga"] * 10,
            "age": pa.array([None, *range(20, 59)], pa.int64()),
        }
    )
    candidates = pa.table(
        {
            "candidate_id": [str(number) for number in range(10, 60)],
            "title": [f"Film {number} of the émigré" for number in range(50)],
            "genres": [["a", "b", "c"], ["c"], [], None, ["b", "a"]] * 10,
            "vector": [[0.5, 1.0], None] * 25,
        }
    )
    return {"queries": queries, "candidates": candidates}


def write(directory: Path, *, row_group_size: int = 200, files: int = 1, **tables: pa.Table) -> Examples:
    for name, table in tables.items():
        (directory / name).mkdir(parents=True)
        cuts = np.linspace(0, len(table), files + 1).astype(int)
        for number, (start, end) in enumerate(itertools.pairwise(cuts)):
            part = table.slice(start, end - start)
            pq.write_table(part, directory / name / f"part-{number}.parquet", row_group_size=row_group_size)
    return Examples(directory)


def transform(
    examples: Examples, out: Path, split: dict[str, object] | None = None, **params: object
) -> tuple[Dataset, TransformGraph]:
    settings = {"features": FEATURES, "split": split or {"method": "leave_last_n"}, **params}
    graph, transformed = TransformGraph(out / "graph"), TransformedExamples(out / "examples")
    Transform(TransformParams.model_validate(settings)).execute(
        Transform.Inputs(examples, Schema(out)),
        Transform.Outputs(graph, transformed),
        in_process(scratch=out / "scratch"),
    )
    return read_dataset(transformed), graph


def vocabulary(graph: TransformGraph, name: str) -> dict[str, int]:
    table = pq.read_table(graph.path / "vocabularies" / f"{name}.parquet").to_pydict()
    return dict(zip(table["value"], table["count"], strict=True))


def events_in_order(table: pa.Table) -> dict[str, list[dict]]:
    """The specified order in plain Python: by time, then by the hash of query and candidate."""
    queries, candidates = (hash_strings(table[name].combine_chunks()) for name in ("query_id", "candidate_id"))
    pairs = hash_pairs(queries, candidates)
    groups = defaultdict(list)
    for row, pair in zip(table.to_pylist(), pairs.tolist(), strict=True):
        groups[row["query_id"]].append(row | {"pair": pair})
    content = lambda e: (e["timestamp"], e["pair"], e["candidate_id"], repr((e["weight"], e["device"], e["basket"])))  # noqa: E731
    return {query: sorted(events, key=content) for query, events in groups.items()}


def graph_says(
    graph: TransformGraph, side: Side, table: pa.Table, features: FeatureSpec = FEATURES
) -> dict[str, np.ndarray]:
    from models.preprocessing.preprocessing import encode, load_preprocessing

    return encode(load_preprocessing(graph.path / "saved_model"), side, raw_features(features.of(side), table))


def moments(dataset: Dataset, *splits: Split) -> np.ndarray:
    """Timestamps of the events of the splits, or of all events."""
    found = (dataset.events.select(splits) if splits else dataset.events).timestamp
    assert found is not None
    return found


def assert_same_files(left: Path, right: Path) -> None:
    files = sorted(path.relative_to(left) for path in left.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(right) for path in right.rglob("*") if path.is_file())
    # In these TensorFlow numbers its functions by process and its models at random.
    files = [name for name in files if name.name not in ("fingerprint.pb", "saved_model.pb")]
    assert [name for name in files if not filecmp.cmp(left / name, right / name, shallow=False)] == []
