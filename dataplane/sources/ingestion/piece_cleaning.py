"""Reads and cleans a piece, and writes its dead letters and its report."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from dataplane.artifacts import Examples
from dataplane.errors import DataError
from dataplane.sources.ingestion.clean import Cleaned, clean
from dataplane.sources.ingestion.piece_rows import rows_of
from dataplane.sources.ingestion.plan import TablePlan
from dataplane.sources.ingestion.reports import (
    Report,
    dead_letters,
    dead_letters_path,
    open_dead_letters,
    report_name,
)
from dataplane.sources.reading import Piece, Reader, Rows

ID_COLUMNS = {"queries": "query_id", "candidates": "candidate_id"}
"""Id column of each table of queries or candidates."""


@dataclass(frozen=True)
class Folders:
    """Where workers write.

    Attributes:
        output: the Examples directory.
        reports: counts and errors for the driver.
        spilled: rows that are being shuffled.
    """

    output: Path
    reports: Path
    spilled: Path

    @staticmethod
    def below(scratch: Path, output: Examples) -> "Folders":
        """Folders for the output, with new ones for reports and rows in a directory for temporary files."""
        folders = Folders(output.path, scratch / "reports", scratch / "spilled")
        folders.reports.mkdir()
        return folders


class PieceCleaning:
    """Reads and cleans a piece, and writes its dead letters and its report. The report also names a broken file."""

    def __init__(self, reader: Reader, plan: TablePlan, piece: Piece, folders: Folders) -> None:
        self.report = Report(piece.table)
        self._reader = reader
        self._plan = plan
        self._piece = piece
        self._folders = folders

    def __enter__(self) -> "PieceCleaning":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> bool:
        if error is None or isinstance(error, DataError):
            self.report.error = None if error is None else str(error)
            self.report.write(self._folders.reports / report_name(self._piece))
        return isinstance(error, DataError)

    def batches(self) -> Iterator[tuple[pa.RecordBatch, np.ndarray]]:
        """Yields clean batches, each with the row numbers in the file, int64 `[rows]`."""
        piece = self._piece
        target = dead_letters_path(self._folders.output, piece.table, piece.index)
        with open_dead_letters(target) as letters:
            for rows in rows_of(self._reader, piece, self._plan.types, self._plan.source_columns()):
                cleaned = self._clean(rows)
                self.report.rows_in += rows.batch.num_rows + len(rows.rejects)
                self.report.filtered += cleaned.filtered
                files = [piece.name] * len(cleaned.dead)
                self.report.count_dead(files, cleaned.dead)
                letters.write(dead_letters(piece.table, files, cleaned.dead))
                yield cleaned.good, cleaned.position

    def _clean(self, rows: Rows) -> Cleaned:
        try:
            return clean(rows, self._plan, self._piece.split)
        except DataError as error:
            raise DataError(f"{self._piece.name}: {error}") from error
