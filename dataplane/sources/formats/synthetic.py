"""Generates the three synthetic tables behind the interface of a reader, in chunks of queries with their own seeds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from dataplane.sources.config import SyntheticInteractions
from dataplane.sources.formats.synthetic_columns import COLUMNS
from dataplane.sources.formats.synthetic_world import (
    ACTIONS,
    CATEGORIES,
    COUNTRIES,
    DEVICES,
    make_candidates,
    make_events,
    make_queries,
)
from dataplane.sources.ingestion.column_types import arrow_type
from dataplane.sources.ingestion.plan import TablePlan
from dataplane.sources.reading import Piece, Rows

_QUERIES_PER_PIECE = 2048
_BYTES_PER_ROW = 40
_WORDS_PER_TOPIC = 12
_COMMON_WORDS = ("the", "a", "last", "first", "new", "lost", "great", "little", "another", "final")
_SYLLABLES = ("ka", "lo", "mi", "ren", "tu", "sa", "vor", "ne", "pi", "dal", "os", "gri", "ba", "un", "sel", "ja")


@dataclass(frozen=True)
class SyntheticReader:
    """Generates one of the synthetic tables."""

    table: str
    source: SyntheticInteractions

    def pieces(self) -> list[Piece]:
        """Makes one piece per chunk of queries, and a single piece of the candidates."""
        step = self.source.candidates if self.table == "candidates" else _QUERIES_PER_PIECE
        total = self.source.candidates if self.table == "candidates" else self.source.queries
        rows = self.source.events_per_query if self.table == "interactions" else 1
        return [
            Piece(
                self.table, index, "", f"synthetic[{start}:{min(start + step, total)}]", None,
                (start, min(start + step, total)), 0, int(step * rows * _BYTES_PER_ROW),
            )
            for index, start in enumerate(range(0, total, step))
        ]  # fmt: skip

    def types(self, pieces: Sequence[Piece]) -> dict[str, dict[str, set[str]]]:
        """Types of the generated columns."""
        return {"synthetic": {name: {kind} for name, kind in COLUMNS[self.table].items()}}

    def read(self, piece: Piece, types: Mapping[str, str] | None, columns: Iterable[str] | None) -> Iterator[Rows]:
        """Yields the rows of a piece as one batch."""
        start, stop = piece.part or (0, 0)
        made = _TABLES[self.table](self.source, start, stop)
        arrays = [pa.array(made[name], arrow_type(kind)) for name, kind in COLUMNS[self.table].items()]
        batch = pa.RecordBatch.from_arrays(arrays, names=list(COLUMNS[self.table]))
        yield Rows(batch, np.arange(batch.num_rows))

    def plan(self) -> TablePlan:
        """Plan that keeps every column, as the generated columns are clean."""
        types = COLUMNS[self.table]
        ids = {name: name for name in types if name in ("query_id", "candidate_id")}
        roles = {"timestamp": "timestamp"} if "timestamp" in types else {}
        kept = tuple(name for name in types if name not in ids and name not in roles)
        return TablePlan(self.table, ids, types, kept, (), roles, False, {}, None, None, {}, {}, {})


def _interactions(source: SyntheticInteractions, start: int, stop: int) -> dict[str, Any]:
    events = make_events(source, start, stop)
    return {
        "query_id": _names("q", start, stop).take(pa.array(events.query)),
        "candidate_id": _names("c", 0, source.candidates).take(pa.array(events.candidate)),
        "timestamp": events.seconds * 1_000_000,
        "device": pa.array(DEVICES).take(pa.array(events.device)),
        "action": pa.array(ACTIONS).take(pa.array(events.action)),
    }


def _queries(source: SyntheticInteractions, start: int, stop: int) -> dict[str, Any]:
    queries = make_queries(source, start, stop)
    return {
        "query_id": _names("q", start, stop),
        "country": pa.array(COUNTRIES).take(pa.array(queries.country)),
        "age": queries.age,
        "segment": [f"segment{topic // 2}" for topic in queries.liked[:, 0]],
    }


def _candidates(source: SyntheticInteractions, start: int, stop: int) -> dict[str, Any]:
    world = make_candidates(source)
    pairs = zip(world.topic, world.second_topic, strict=True)
    return {
        "candidate_id": _names("c", start, stop),
        "title": _titles(source, world.topic),
        "genres": [
            [f"genre{first}"] if first == second else [f"genre{first}", f"genre{second}"] for first, second in pairs
        ],
        "category": pa.array(CATEGORIES).take(pa.array(world.category)),
        "duration": world.duration,
        "released": world.released * 1_000_000,
    }


_TABLES = {"interactions": _interactions, "queries": _queries, "candidates": _candidates}


def _names(prefix: str, start: int, stop: int) -> pa.Array:
    return pa.array([f"{prefix}{number}" for number in range(start, stop)], pa.string())


def _titles(source: SyntheticInteractions, topic: np.ndarray) -> list[str]:
    """Titles of one common word and three words of the topic."""
    rng = np.random.default_rng([source.seed, 4])
    letters = rng.integers(len(_SYLLABLES), size=(source.topics, _WORDS_PER_TOPIC, 3))
    words = [["".join(_SYLLABLES[part] for part in word) for word in own] for own in letters]
    picks = rng.integers(_WORDS_PER_TOPIC, size=(len(topic), 3))
    common = rng.integers(len(_COMMON_WORDS), size=len(topic))
    return [
        " ".join([_COMMON_WORDS[common[row]], *(words[topic[row]][pick] for pick in picks[row])]).capitalize()
        for row in range(len(topic))
    ]
