"""The interface of all readers: a table is cut into pieces, and each piece is read on its own as Arrow batches."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa

from dataplane.sources.config import Split
from dataplane.sources.partitions import Partitions

NOT_TEXT = "not utf-8 text"
"""Reason of rows with bytes that are not text in the configured encoding."""

SAMPLE = "sample"
"""Name of the table when `init` reads rows to infer the column types."""

REPEATED_HEADER = "repeated header line"
"""Reason of lines that repeat the header; they do not count as unusable rows."""


@dataclass(frozen=True)
class Piece:
    """A part of a table that one worker reads. The object is small, because Beam sends it to workers.

    Attributes:
        table: `interactions`, `queries` or `candidates`.
        index: position among the table's pieces; part of the names of its output files.
        file: location of the file to read; empty for synthetic data.
        name: name of the file in messages.
        split: split of all its rows; None if the rows or `split` decide.
        part: range first:last+1 of the units of the format (row groups, records, queries); None means all.
        first_row: data row in the file at which the piece begins.
        size: approximate number of bytes to read.
        partitions: columns that the file's directories give its rows.
        version: identifies the content of the file as listed; empty if changes are not checked.
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
        reason: short text, the same for all rows with that fault, so that reasons can be counted.
        record: the row as text.
        value: the faulty value as text; empty if the whole row is at fault.
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
        position: data row in the file of each row, int64 `[rows]`.
        rejects: rows among them that could not be parsed.
    """

    batch: pa.RecordBatch
    position: np.ndarray
    rejects: list[Reject] = field(default_factory=list)


class Reader(Protocol):
    """Reads a table in one format. Instances are pickled to the workers."""

    def pieces(self) -> list[Piece]:
        """Cuts the table into pieces.

        Raises:
            DataError: a file is missing or broken.
        """

    def types(self, pieces: Sequence[Piece]) -> dict[str, dict[str, set[str]]] | None:
        """Types of the columns of each file, by file name; None if the types can only be inferred from all values.

        Raises:
            DataError: a file is missing or broken.
        """

    def read(self, piece: Piece, types: Mapping[str, str] | None, columns: Iterable[str] | None) -> Iterator[Rows]:
        """Rows of a piece, in order.

        Args:
            piece: what to read.
            types: type to which each column will be cast; None while types are being inferred.
            columns: columns to read; the reader may read more. None means all. Columns that the file lacks are left
                out.

        Raises:
            DataError: the file is broken, or not in the configured format or encoding.
        """
