"""Types of the candidate table's columns, as far as they are known before the table is read."""

from typing import TYPE_CHECKING

from dataplane.errors import DataError
from dataplane.sources.config import MappedEntities, ParquetEntities, SyntheticInteractions
from dataplane.sources.files import source_files
from dataplane.sources.formats.synthetic_columns import COLUMNS as SYNTHETIC_COLUMNS

if TYPE_CHECKING:
    from dataplane.sources.data_config import ExampleGenParams

_OF_KIND = {"number": "float64", "time": "timestamp", "list": "list<string>", "vector": "list<float64>"}


def candidate_types(params: "ExampleGenParams") -> dict[str, str]:
    """Known types by column: those of synthetic data and of Parquet's footers, and those that settings declare."""
    if isinstance(params.interactions, SyntheticInteractions):
        return dict(SYNTHETIC_COLUMNS["candidates"])
    source = params.candidates
    if not isinstance(source, MappedEntities):
        return {}
    types: dict[str, str] = {}
    if isinstance(source, ParquetEntities):
        from dataplane.sources.formats.parquet_files import column_types

        try:
            location = source_files(source, params.base_dir)[0].location
            types = {
                column: kind for column, kinds in column_types(source, location, location).items() for kind in kinds
            }
        except DataError:  # reported with the other problems of the file
            types = {}
    return types | {column: _OF_KIND[kind] for column, kind in source.kinds().items()}
