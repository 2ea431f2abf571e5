"""Divides the events of each span once, for all windows that read the span.

A piece of a span, a row group, is divided into buckets by the leading bits of the query's hash. A shard of a window is
a run of buckets. The rows of the catalogue depend on the window, so a piece numbers its own candidates, and each window
maps these numbers to its catalogue.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa

from components.transform.event_schema import EventSchema, event_columns, read_roles
from components.transform.shuffle import divide
from dataplane.columns.columnar import RowGroup, Spilled, read_arrow, row_groups, single, write_arrow
from dataplane.context import ExecutionContext
from dataplane.dataset.id_index import IdIndex
from dataplane.dataset.sequences import read_ids
from dataplane.files.digests import file_digest
from dataplane.parts import Part, Parts
from models.spec.durable import write_atomically
from models.spec.features import CANDIDATE_ID, QUERY_ID

BUCKETS = 64
"""Number of buckets of a piece, and most shards of a window."""


@dataclass(frozen=True)
class DividedPiece:
    """The events of a row group by bucket. The object is small, because Beam sends it to workers.

    Attributes:
        name: unique among the pieces of a window.
        events: file of the spilled events.
        candidates: file of the ids of its candidates.
        buckets: number, offset and size of each bucket that has events.
    """

    name: str
    events: str
    candidates: str
    buckets: Sequence[tuple[int, int, int]]


def divide_spans(
    spans: Mapping[str, Sequence[Path]], schema: EventSchema, context: ExecutionContext, scratch: Path
) -> list[DividedPiece]:
    """Divides the spans that no part has, and stores them as parts; returns the pieces of all spans.

    Args:
        spans: shards of each span, by its name.
        schema: columns that the shuffle carries along.
        context: gives the Beam runner and keeps the parts.
        scratch: directory for temporary files.

    Raises:
        DataError: a role has rows without a value.
    """
    parts, home = context.parts or Parts(scratch / "parts"), scratch / "divided"
    home.mkdir()
    keys = {
        name: parts.key(kind="events", span=name, schema=repr(schema), shards=[file_digest(it) for it in shards])
        for name, shards in spans.items()
    }
    found = {name: part for name, key in keys.items() if (part := parts.find(key))}
    new = {name: row_groups(shards) for name, shards in spans.items() if name not in found}
    work = [(keys[name], number, group) for name, groups in new.items() for number, group in enumerate(groups)]
    if work:
        with context.beam.pipeline() as pipeline:
            _ = pipeline | beam.Create(work) | beam.Reshuffle() | beam.MapTuple(partial(_divide_piece, schema, home))
    for name, groups in new.items():
        found[name] = _store(parts, keys[name], home, len(groups))
    return [piece for name in keys for piece in _pieces(found[name])]


def candidates_of(pieces: Iterable[DividedPiece]) -> list[pa.ChunkedArray]:
    """Ids of the candidates of each piece."""
    return [read_arrow(Path(piece.candidates))["id"] for piece in pieces]


def shards_for(wanted: int) -> int:
    """Number of shards, at least `wanted`, that are runs of buckets: a power of two."""
    return min(BUCKETS, 1 << max(0, wanted - 1).bit_length())


class MapCandidates(beam.DoFn):
    """Maps divided pieces to (shard, events and the file that maps their candidates to the catalogue)."""

    def __init__(self, shards: int, catalogue: Path, directory: Path) -> None:
        self._shards = shards
        self._catalogue = catalogue
        self._directory = directory
        self._candidates: IdIndex | None = None

    def setup(self) -> None:
        """Loads the catalogue."""
        self._candidates = IdIndex(read_ids(self._catalogue))

    def process(self, piece: DividedPiece) -> Iterator[tuple[int, tuple[Spilled, str]]]:
        """Looks up the candidates of one piece."""
        assert self._candidates is not None
        rows = self._candidates.rows(single(read_arrow(Path(piece.candidates))["id"]))
        mapping = self._directory / f"{piece.name}.arrow"
        write_arrow(mapping, pa.table({"row": rows}))
        for bucket, offset, size in piece.buckets:
            yield bucket * self._shards // BUCKETS, ((piece.events, offset, size), str(mapping))


def _divide_piece(schema: EventSchema, home: Path, key: str, number: int, row_group: RowGroup) -> str:
    table = read_roles(row_group, schema)
    numbers, ids = _own_candidates(single(table[CANDIDATE_ID]))
    payload = {"candidate": pa.array(numbers), **event_columns(table, schema)}
    buckets = divide(single(table[QUERY_ID]), pa.table(payload), BUCKETS, home / "spilled")
    write_arrow(home / f"{key}-{number}.arrow", pa.table({"id": ids}))
    listed = [[bucket, offset, size] for bucket, (_, offset, size) in buckets]
    write_atomically(home / f"{key}-{number}.json", json.dumps({"file": buckets[0][1][0], "buckets": listed}))
    return key


def _own_candidates(column: pa.DictionaryArray) -> tuple[np.ndarray, pa.Array]:
    """Numbers of the candidates among those that occur, int32 `[rows]`, and the ids that occur.

    Example: a, c, a with the dictionary [a, b, c] gives 0, 1, 0 and [a, c].
    """
    indices = column.indices.to_numpy(zero_copy_only=False)
    used = np.bincount(indices, minlength=len(column.dictionary)) > 0
    place = np.cumsum(used, dtype=np.int32) - np.int32(1)
    return place[indices], column.dictionary.filter(pa.array(used)).cast(pa.large_string())


def _store(parts: Parts, key: str, home: Path, count: int) -> Part:
    """Makes the pieces of a span a part."""
    found = [json.loads((home / f"{key}-{number}.json").read_text(encoding="utf-8")) for number in range(count)]
    about = {"pieces": [each["buckets"] for each in found]}
    with parts.adding(key, about) as directory:
        for number, each in enumerate(found):
            Path(each["file"]).rename(directory / f"{number:05d}.events")
            (home / f"{key}-{number}.arrow").rename(directory / f"{number:05d}.arrow")
    return Part(key, parts.directory / key, about)


def _pieces(part: Part) -> Iterator[DividedPiece]:
    for number, buckets in enumerate(part.about["pieces"]):
        place = part.path / f"{number:05d}"
        yield DividedPiece(f"{part.key}-{number}", f"{place}.events", f"{place}.arrow", [tuple(it) for it in buckets])
