"""Which reader reads which format."""

from pathlib import Path

from components.sources.config import (
    CsvEntities,
    CsvInteractions,
    JsonlEntities,
    JsonlInteractions,
    MappedEntities,
    MappedInteractions,
    ParquetEntities,
    ParquetInteractions,
)
from components.sources.csv_files import CsvReader
from components.sources.jsonl_files import JsonlReader
from components.sources.parquet_files import ParquetReader
from components.sources.reading import Reader
from components.sources.tfds_sets import TfdsReader


def make_reader(table: str, source: MappedInteractions | MappedEntities, base_dir: Path | None) -> Reader:
    """The reader for a source's format."""
    if isinstance(source, ParquetInteractions | ParquetEntities):
        return ParquetReader(table, source, base_dir)
    if isinstance(source, CsvInteractions | CsvEntities):
        return CsvReader(table, source, base_dir)
    if isinstance(source, JsonlInteractions | JsonlEntities):
        return JsonlReader(table, source, base_dir)
    return TfdsReader(table, source, base_dir)
