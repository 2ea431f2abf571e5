"""Chooses the reader for a source's format."""

from collections.abc import Sequence

from dataplane.sources.config import (
    CsvEntities,
    CsvInteractions,
    JsonlEntities,
    JsonlInteractions,
    MappedEntities,
    MappedInteractions,
    ParquetEntities,
    ParquetInteractions,
)
from dataplane.sources.files import SourceFile
from dataplane.sources.formats.csv_files import CsvReader
from dataplane.sources.formats.jsonl_files import JsonlReader
from dataplane.sources.formats.parquet_files import ParquetReader
from dataplane.sources.formats.tfds_sets import TfdsReader
from dataplane.sources.ingestion.notations import in_notation_of
from dataplane.sources.reading import Reader


def make_reader(table: str, source: MappedInteractions | MappedEntities, files: Sequence[SourceFile]) -> Reader:
    """The reader for a source's format, which applies the source's notations of numbers and missing values.

    Args:
        table: name of the table.
        source: settings of the table.
        files: files of the table.
    """
    return in_notation_of(_reader(table, source, files), source)


def _reader(table: str, source: MappedInteractions | MappedEntities, files: Sequence[SourceFile]) -> Reader:
    if isinstance(source, ParquetInteractions | ParquetEntities):
        return ParquetReader(table, source, files)
    if isinstance(source, CsvInteractions | CsvEntities):
        return CsvReader(table, source, files)
    if isinstance(source, JsonlInteractions | JsonlEntities):
        return JsonlReader(table, source, files)
    return TfdsReader(table, source, files)
