"""Synthetic interactions as Parquet files."""

from datetime import UTC, datetime
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
_DEVICES = pa.array(["phone", "tablet", "desktop", "television", "car"])
_SCHEMA = pa.schema(
    {"user": pa.string(), "item": pa.string(), "time": pa.int64(), "rating": pa.float32(), "device": pa.string()}
)


def generate(directory: Path, rows: int) -> None:
    """Writes files of up to five million interactions; one query id in 10,000 is empty."""
    world = _World(rows)
    directory.mkdir(parents=True)
    for first in range(0, rows, _FILE_ROWS):
        with pq.ParquetWriter(directory / f"events-{first:09d}.parquet", _SCHEMA) as writer:
            for start in range(first, min(rows, first + _FILE_ROWS), _GROUP_ROWS):
                writer.write_table(world.events(min(_GROUP_ROWS, rows - start), _FIRST, _SECONDS))


def generate_spans(directory: Path, rows: int, spans: int) -> list[str]:
    """Writes `dt=DATE/events.parquet` with so many interactions for each of several days; returns the days."""
    world, day = _World(rows * spans), 86_400
    found = []
    for number in range(spans):
        first = _FIRST + number * day
        found.append(f"{datetime.fromtimestamp(first, UTC):%Y-%m-%d}")
        (directory / f"dt={found[-1]}").mkdir(parents=True)
        pq.write_table(world.events(rows, first, day), directory / f"dt={found[-1]}" / "events.parquet")
    return found


class _World:
    """Queries and candidates of lognormal activity and Zipf-like popularity, and their events."""

    def __init__(self, rows: int) -> None:
        self._random = np.random.default_rng(7)
        self._count, candidate_count = min(_QUERIES, rows // 5), min(_CANDIDATES, rows // 10)
        self._queries = pa.array([f"u{number:06d}" for number in range(self._count)] + [""])
        self._candidates = pa.array([f"item-{number:06d}" for number in self._random.permutation(candidate_count)])
        self._active = np.cumsum(self._random.lognormal(size=self._count))
        self._popular = np.cumsum(1.0 / np.arange(10, candidate_count + 10))

    def events(self, count: int, first: int, seconds: int) -> pa.Table:
        """Events at random moments from a first second on."""
        random = self._random
        query = np.searchsorted(self._active, random.random(count) * self._active[-1])
        query[random.random(count) < _EMPTY_SHARE] = self._count
        candidate = np.searchsorted(self._popular, random.random(count) * self._popular[-1])
        columns = [
            self._queries.take(pa.array(query)),
            self._candidates.take(pa.array(candidate)),
            pa.array(first + random.integers(0, seconds, count)),
            pa.array(random.integers(1, 6, count).astype(np.float32)),
            _DEVICES.take(pa.array(random.integers(0, len(_DEVICES), count))),
        ]
        return pa.table(columns, schema=_SCHEMA)
