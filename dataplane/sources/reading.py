"""What all formats have in common: a table is cut into pieces, each read on its own as Arrow batches."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa

from dataplane.sources.config import Split
from dataplane.sources.partitions import Partitions

NOT_TEXT = "not utf-8 text"
"""Reason of rows with bytes that are no text in the encoding that was said."""

SAMPLE = "sample"
"""What a table is called whose columns are looked at to find out what they are."""

REPEATED_HEADER = "repeated header line"
"""Reason of lines that are no rows but the header once more; they are no fault of the data."""


@dataclass(frozen=True)
class Piece:
    """A part of a table that one worker reads; small, so that it travels.

    Attributes:
        table: `interactions`, `queries` or `candidates`.
        index: position among the table's pieces; names what is written for it.
        file: location of the file to read, empty for made-up data.
        name: how the file is called in messages.
        split: split of all its rows, where known.
        part: first and last + 1 of what the format cuts a file into (row groups, records, queries); None is all.
        first_row: data row, in the file, where the piece begins.
        size: roughly how many bytes there are to read.
        partitions: the values that the names of the file's directories give its rows.
        version: what changes when the file is written anew; empty where that is not looked at.
    """

    table: str
    index: int
    file: str
    name: str
    split: Split | None = None
    part: tuple[int, int] | None = None
    first_row: int = 0
    size: int = 0
    partitions: Partitions = ()
    version: str = ""


@dataclass(frozen=True)
class Reject:
    """A row that cannot be used.

    Attributes:
        row: data row in the file, from 0.
        reason: short and the same for all rows with that fault, so that reasons can be counted.
        record: the row as text.
        value: the value that is wrong, as text; empty where it is the whole row.
    """

    row: int
    reason: str
    record: str
    value: str = ""


@dataclass(frozen=True)
class Rows:
    """Consecutive rows of a piece.

    Attributes:
        batch: the rows under their source column names.
        position: data row in the file of each, int64 `[rows]`.
        rejects: rows in between that could not even be parsed.
    """

    batch: pa.RecordBatch
    position: np.ndarray
    rejects: list[Reject] = field(default_factory=list)


class Reader(Protocol):
    """Reads a table in one format. Instances are pickled to the workers."""

    def pieces(self) -> list[Piece]:
        """What the table is cut into.

        Raises:
            DataError: a file is missing or broken.
        """

    def types(self, pieces: Sequence[Piece]) -> dict[str, dict[str, set[str]]] | None:
        """Types of the columns of each file, by its name; None where only reading all values can tell.

        Raises:
            DataError: a file is missing or broken.
        """

    def read(self, piece: Piece, types: Mapping[str, str] | None, columns: Iterable[str] | None) -> Iterator[Rows]:
        """Rows of a piece, in order.

        Args:
            piece: what to read.
            types: what each column will be cast to; None while types are being found out.
            columns: columns that are wanted, at least; all if None. One that the file lacks is left out.

        Raises:
            DataError: the file is broken, or not in the format or encoding that was said.
        """
