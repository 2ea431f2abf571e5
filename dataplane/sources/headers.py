"""Reads the column names of the sources from the first bytes of their files, and checks a configuration against them.

Imports pyarrow only for Parquet footers, so that checking a configuration is fast.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from dataplane.errors import DataError
from dataplane.sources.config import (
    ROLES,
    CsvEntities,
    CsvInteractions,
    EntitiesSource,
    FileEntities,
    FileInteractions,
    FromInteractions,
    InteractionsSource,
    JsonlEntities,
    JsonlInteractions,
    MappedEntities,
    MappedInteractions,
    ParquetEntities,
    ParquetInteractions,
    SyntheticInteractions,
    TfdsEntities,
    TfdsInteractions,
    id_columns,
)
from dataplane.sources.files import source_files
from dataplane.sources.formats import tfds_directory
from dataplane.sources.formats.csv_header import csv_header
from dataplane.sources.formats.json_header import json_header
from dataplane.sources.formats.synthetic_columns import COLUMNS as SYNTHETIC_COLUMNS
from models.spec.examples_config import EventWeights
from models.spec.features import CANDIDATE_ID, QUERY_ID, TIMESTAMP, FeatureSpec, Side

if TYPE_CHECKING:
    from dataplane.sources.data_config import ExampleGenParams


@dataclass(frozen=True)
class HeaderProblem:
    """A setting that contradicts the data.

    Attributes:
        key: dotted path of the setting.
        value: value of the setting.
        message: description of the problem.
        allowed: valid values; empty if they cannot be listed.
    """

    key: str
    value: str
    message: str
    allowed: tuple[str, ...] = ()


class Columns:
    """Column names of a table, which may be thousands, with fast lookup.

    Attributes:
        names: names in order; all problems of a table share this object.
        known: names as a set.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self.known = frozenset(self.names)

    def may_have(self, column: str) -> bool:
        """Whether it is one of the columns, or the path of a member that some objects in one of them may have."""
        above = itertools.accumulate(column.split(".")[:-1], lambda path, name: f"{path}.{name}")
        return column in self.known or not self.known.isdisjoint(above)

    @staticmethod
    def of(names: Iterable[str] | None) -> "Columns | None":
        """Makes `Columns` from names; None if the names are unknown."""
        return None if names is None else Columns(names)


def check_headers(
    params: "ExampleGenParams",
    spec: FeatureSpec,
    *,
    event_weights: EventWeights | None = None,
    shown: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[HeaderProblem]:
    """Lists configured columns that the data lack, and files that are missing or unreadable.

    Reads the header of one file per table. Skips tables whose columns are unknown until their data are read.

    Args:
        params: the sources.
        spec: the features.
        event_weights: names a column of the interactions.
        shown: columns of the candidate table that answers are shown with, by the key that names them.
    """
    problems: list[HeaderProblem] = []
    headers: dict[str, Columns | None] = {}
    for table, source in (("interactions", params.interactions), *params.entity_tables().items()):
        if isinstance(source, FromInteractions):
            continue
        try:
            headers[table] = Columns.of(column_names(source, params.base_dir))
        except DataError as error:
            problems.append(HeaderProblem(_place(table, source), _where(source), str(error)))
            headers[table] = None
        if not isinstance(source, SyntheticInteractions):
            found = list(_check_mapping(table, source, headers[table]))
            if isinstance(source, ParquetInteractions | ParquetEntities) and headers[table] and not found:
                found = list(_check_types(table, source, params.base_dir))
            problems.extend(found)
    interactions = headers["interactions"]
    for table, source in params.entity_tables().items():
        if isinstance(source, FromInteractions) and interactions is not None:
            problems.extend(_missing(f"data.{table}.columns", source.columns, interactions))
    available = _available(params, headers)
    problems.extend(_check_features(spec, available))
    events = available["context"]
    if event_weights is not None and events is not None and event_weights.column not in ROLES:
        problems.extend(_missing("training.event_weights.column", [event_weights.column], events))
    candidates = available["candidate"]
    for key, columns in shown.items():
        problems.extend(_missing(key, columns, candidates) if candidates is not None else ())
    return problems


def column_names(source: InteractionsSource | MappedEntities, base_dir: Path | None) -> list[str] | None:
    """Columns of a source from the header of its first file; None if only reading all data would show them.

    Raises:
        DataError: a file is missing, empty or of another format.
    """
    if isinstance(source, SyntheticInteractions):
        return list(SYNTHETIC_COLUMNS["interactions"])
    if isinstance(source, ParquetInteractions | ParquetEntities):
        return _file_columns(source, base_dir, lambda location: list(_parquet_types(source, location)))
    if isinstance(source, CsvInteractions | CsvEntities):
        return _file_columns(source, base_dir, lambda location: list(filter(None, csv_header(source, location).names)))
    if isinstance(source, JsonlInteractions | JsonlEntities):
        return _file_columns(source, base_dir, lambda location: json_header(location, id_columns(source)))
    directory = tfds_directory.prepared_directory(source.dataset, source.data_dir, base_dir)
    return None if directory is None else list(tfds_directory.features(directory))


def _file_columns(
    source: FileInteractions | FileEntities, base_dir: Path | None, header: Callable[[str], list[str] | None]
) -> list[str] | None:
    """Columns of the first file, and of its partition."""
    first = source_files(source, base_dir)[0]
    names = header(first.location)
    return None if names is None else list(dict.fromkeys([*names, *dict(first.partitions)]))


def _parquet_types(source: ParquetInteractions | ParquetEntities, location: str) -> dict[str, set[str]]:
    from dataplane.sources.formats.parquet_files import column_types

    return column_types(source, location, location)


def _check_types(
    table: str, source: ParquetInteractions | ParquetEntities, base_dir: Path | None
) -> Iterator[HeaderProblem]:
    """Yields ids and roles of unsuitable types, with the message that a run would show."""
    from dataplane.sources.formats.parquet_files import ParquetReader
    from dataplane.sources.ingestion.plan import first_value, plan_entities, plan_interactions

    first = source_files(source, base_dir)[0]
    found = {**{column: {"string"} for column in dict(first.partitions)}, **_parquet_types(source, first.location)}
    types = {column: dict.fromkeys(kinds, first.name) for column, kinds in found.items()}
    reader = ParquetReader(table, source, [first])

    def example(column: str) -> str:
        return first_value(reader.read(piece, None, [column]) for piece in reader.pieces()[:1])

    try:
        if isinstance(source, ParquetInteractions):
            plan_interactions(source, types, presplit=False, time_unit=None, example=example)
        else:
            plan_entities(table, source, types, example=example)
    except DataError as error:
        yield HeaderProblem(f"data.{table}", _where(source), str(error))


def _check_mapping(
    table: str, source: MappedInteractions | MappedEntities, header: Columns | None
) -> Iterator[HeaderProblem]:
    if header is None:
        return
    if isinstance(source, MappedInteractions):
        for role, column in source.columns.mapped().items():
            yield from _missing(f"data.{table}.columns.{role}", [column], header)
    else:
        yield from _missing(f"data.{table}.id", [source.id], header)
        if source.pivot is not None:
            yield from _missing(f"data.{table}.pivot", source.pivot.columns(), header)
            header = Columns([*header.names, *source.pivot.keep])
    yield from _missing(f"data.{table}.keep", source.keep or [], header)
    if not isinstance(source, TfdsInteractions | TfdsEntities):
        yield from _missing(f"data.{table}.list_columns", source.list_columns, header)
    for setting in ("types", "date_formats", "decimal_commas", "thousands_commas"):
        yield from _missing(f"data.{table}.{setting}", getattr(source, setting), header)


def _check_features(spec: FeatureSpec, available: dict[Side, Columns | None]) -> Iterator[HeaderProblem]:
    ids, tables = {"query": QUERY_ID, "candidate": CANDIDATE_ID}, {"query": "queries", "candidate": "candidates"}
    for side, columns in available.items():
        if columns is None:
            continue
        for name, feature in spec.of(side).items():
            if name == CANDIDATE_ID and side == "candidate":
                continue
            key = f"features.{side}.{name}"
            if columns.names == (ids.get(side),) and feature.column not in columns.known:
                yield HeaderProblem(key, feature.column or name, f"there is no {side} table; set data.{tables[side]}")
                continue
            yield from _missing(f"{key}.column" if feature.column else key, [feature.column or name], columns)


def _available(params: "ExampleGenParams", headers: dict[str, Columns | None]) -> dict[Side, Columns | None]:
    source = params.interactions
    if isinstance(source, SyntheticInteractions):
        context = [name for name in SYNTHETIC_COLUMNS["interactions"] if name not in (QUERY_ID, CANDIDATE_ID)]
        return {
            "query": Columns(SYNTHETIC_COLUMNS["queries"]),
            "candidate": Columns(SYNTHETIC_COLUMNS["candidates"]),
            "context": Columns(context),
        }
    return {
        "query": _entity_columns(params.queries, QUERY_ID, headers.get("queries")),
        "candidate": _entity_columns(params.candidates, CANDIDATE_ID, headers.get("candidates")),
        "context": _context_columns(source, headers["interactions"]),
    }


def _entity_columns(source: EntitiesSource | None, own: str, header: Columns | None) -> Columns | None:
    if source is None:
        return Columns([own])
    if isinstance(source, FromInteractions):
        return Columns([own, *source.columns])
    if source.pivot is not None:
        return Columns([own, *source.pivot.keep])
    if header is None:
        return None
    kept = header.names if source.keep is None else source.keep
    return Columns([own, *(name for name in kept if name not in (source.id, own))])


def _context_columns(source: MappedInteractions, header: Columns | None) -> Columns | None:
    if header is None:
        return None
    used = {*source.columns.mapped().values(), *ROLES}
    kept = header.names if source.keep is None else source.keep
    columns = [name for name in kept if name not in used]
    return Columns([*([TIMESTAMP] if source.columns.timestamp else []), *columns])


def _missing(key: str, columns: Iterable[str], present: Columns) -> Iterator[HeaderProblem]:
    for column in columns:
        if not present.may_have(column):
            yield HeaderProblem(key, column, f"there is no column {column!r}", present.names)


def _place(table: str, source: MappedInteractions | MappedEntities | SyntheticInteractions) -> str:
    """The key of the setting that says where a table is."""
    setting = next((name for name in ("path", "dataset") if hasattr(source, name)), "")
    return f"data.{table}.{setting}".rstrip(".")


def _where(source: MappedInteractions | MappedEntities | SyntheticInteractions) -> str:
    return str(getattr(source, "path", None) or getattr(source, "dataset", ""))
