"""Synthetic interactions as Parquet files."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = {"query_id": "user", "candidate_id": "item", "timestamp": "time", "weight": "rating"}
"""Names of the columns by role; timestamps are in seconds."""

_QUERIES, _CANDIDATES = 200_000, 100_000
_FILE_ROWS, _GROUP_ROWS = 5_000_000, 1_000_000
_EMPTY_SHARE = 1e-4
_FIRST, _SECONDS = 1_704_067_200, 2 * 365 * 86_400  # two years from 2024 on
_SCHEMA = pa.schema(
    {"user": pa.string(), "item": pa.string(), "time": pa.int64(), "rating": pa.float32(), "device": pa.string()}
)


def generate(directory: Path, rows: int) -> None:
    """Writes files of up to five million interactions; one query id in 10,000 is empty."""
    random = np.random.default_rng(7)
    query_count, candidate_count = min(_QUERIES, rows // 5), min(_CANDIDATES, rows // 10)
    queries = pa.array([f"u{number:06d}" for number in range(query_count)] + [""])
    candidates = pa.array([f"item-{number:06d}" for number in random.permutation(candidate_count)])
    devices = pa.array(["phone", "tablet", "desktop", "television", "car"])
    active = np.cumsum(random.lognormal(size=query_count))
    popular = np.cumsum(1.0 / np.arange(10, candidate_count + 10))
    directory.mkdir(parents=True)
    for first in range(0, rows, _FILE_ROWS):
        with pq.ParquetWriter(directory / f"events-{first:09d}.parquet", _SCHEMA) as writer:
            for start in range(first, min(rows, first + _FILE_ROWS), _GROUP_ROWS):
                count = min(_GROUP_ROWS, rows - start)
                query = np.searchsorted(active, random.random(count) * active[-1])
                query[random.random(count) < _EMPTY_SHARE] = query_count
                candidate = np.searchsorted(popular, random.random(count) * popular[-1])
                columns = [
                    queries.take(pa.array(query)),
                    candidates.take(pa.array(candidate)),
                    pa.array(_FIRST + random.integers(0, _SECONDS, count)),
                    pa.array(random.integers(1, 6, count).astype(np.float32)),
                    devices.take(pa.array(random.integers(0, len(devices), count))),
                ]
                writer.write_table(pa.table(columns, schema=_SCHEMA))
