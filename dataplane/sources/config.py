"""Settings of each table's source: its format, its files and the roles of its columns."""

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from dataplane.files.storage import check_uri
from dataplane.sources.csv_dialect import CsvDialect
from dataplane.sources.pivot_config import Pivot
from dataplane.sources.value_config import ColumnName, TimeUnit, ValueSettings
from models.spec.strict import Strict


def _checked(location: str) -> str:
    check_uri(location)
    return location


Split: TypeAlias = Literal["train", "validation", "test"]
Location: TypeAlias = Annotated[str, AfterValidator(_checked)]
Paths: TypeAlias = Location | Annotated[list[Location], Field(min_length=1)]
SplitPaths: TypeAlias = Annotated[dict[Split, Paths], Field(min_length=1)]

ROLES = ("query_id", "candidate_id", "timestamp", "order", "weight", "split")
"""Column names of the ingested interactions that are reserved for roles."""


class InteractionColumns(Strict):
    """Source column of each role in the interactions table."""

    query_id: ColumnName
    """Column of the query's id: a user, a session, a basket."""
    candidate_id: ColumnName
    """Column of the chosen candidate's id: an item, a document, a track."""
    timestamp: ColumnName | None = None
    """Column of the event's time."""
    order: ColumnName | None = None
    """Column of a number that orders a query's events; with `timestamp`, it orders events of the same time."""
    weight: ColumnName | None = None
    """Column of the event's rating, reward or count, 0 or more."""
    split: ColumnName | None = None
    """Column with `train`, `validation` or `test` in each row."""

    @model_validator(mode="after")
    def _roles_are_distinct(self) -> "InteractionColumns":
        taken: dict[str, str] = {}
        for role, column in self.mapped().items():
            if column in taken:
                raise ValueError(f"column {column!r} cannot be both {taken[column]} and {role}")
            taken[column] = role
        return self

    def mapped(self) -> dict[str, str]:
        """Source column of each configured role."""
        return {role: column for role in ROLES if (column := getattr(self, role)) is not None}


class _Table(ValueSettings):
    keep: list[ColumnName] | None = None
    """Further columns to keep. The default is every column of a supported type."""
    whole_number_ids: bool = False
    """Reads ids such as `12346.0` as `12346`. Tools write whole numbers this way if a column has missing values. By
    default, such texts stay unchanged and columns of floats are refused. Other ids always stay unchanged."""


class _Interactions(_Table):
    columns: InteractionColumns
    """Source column of each role."""
    time_unit: TimeUnit = "auto"
    """Unit of a timestamp that counts from 1970 (UTC); or `iso` for text such as 2026-11-22, `yyyymmdd` for dates such
    as 20261122. `auto` detects it from the values."""
    min_weight: float | None = None
    """Keeps only events with at least this weight, such as ratings of 4 or more."""

    @model_validator(mode="after")
    def _settings_have_their_column(self) -> "_Interactions":
        for role, column in self.columns.mapped().items():
            if column in self.types:
                raise ValueError(f"types: {column!r} is columns.{role}, which determines its type; leave it out")
        if self.min_weight is not None and self.columns.weight is None:
            raise ValueError("'min_weight' needs columns.weight")
        if self.time_unit != "auto" and self.columns.timestamp is None:
            raise ValueError("'time_unit' needs columns.timestamp")
        if self.time_unit not in ("auto", "iso") and self.columns.timestamp in self.date_formats:
            raise ValueError(
                f"'time_unit' {self.time_unit!r} and 'date_formats' both describe the timestamp; leave one out"
            )
        return self


class _Entities(_Table):
    id: ColumnName
    """Column of the query's or candidate's id."""
    pivot: Pivot | None = None
    """Settings of a table with one property of an entity on each row."""

    @model_validator(mode="after")
    def _pivot_has_all_columns(self) -> "_Entities":
        if self.pivot is None:
            return self
        if self.keep is not None:
            raise ValueError("'pivot' has its own 'keep'; leave out the table's")
        if self.id in self.pivot.columns():
            raise ValueError(f"pivot: {self.id!r} is the id")
        if reserved := sorted({"query_id", "candidate_id", self.id} & set(self.pivot.keep)):
            raise ValueError(f"pivot.keep: {reserved[0]!r} is the name of an id")
        return self

    @model_validator(mode="after")
    def _id_is_no_number(self) -> "_Entities":
        if self.id in self.kinds():
            raise ValueError(
                f"{self.id!r} is the id, which is always text; leave it out of the settings of types and notations"
            )
        return self


class _Lists(Strict):
    list_columns: dict[ColumnName, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)
    """Text columns that hold several values, each with its separator: `genres: "|"`."""


class _FileInteractions(_Interactions, _Lists):
    path: Paths | SplitPaths
    """File, directory, glob or a list of them; or one of these for each of `train`, `validation`, `test`.

    A path is local or in an object store: `gs://BUCKET/…`, `s3://BUCKET/…`, whose credentials come from the
    environment. A directory stands for its files and the files of its `COLUMN=VALUE` directories, whose names become
    columns (see `dataplane.sources.partitions`). A glob selects some: `events/dt=2026-11-2*`."""

    @model_validator(mode="after")
    def _one_source_of_splits(self) -> "_FileInteractions":
        if isinstance(self.path, dict) and self.columns.split:
            raise ValueError("splits are given twice: by 'path' and by columns.split")
        return self


class _FileEntities(_Entities, _Lists):
    path: Paths
    """File, directory, glob or a list of them, as in `path` of the interactions."""


class _Parquet(Strict):
    """Parquet files. A field of a struct is a column named by its path: `user.id`."""

    format: Literal["parquet"]
    bytes_as: Literal["auto", "text", "hex", "uuid"] = "auto"
    """How to read bytes that are not marked as text. `auto` reads a type of 16 bytes as UUIDs, a type of another fixed
    length as hexadecimal digits, and other bytes as text."""


class _Jsonl(Strict):
    """JSON files. A member of an inner object is a column named by its path: `user.id`.

    MongoDB's `{"$oid": "…"}`, `{"$numberLong": "…"}` and `{"$date": …}` are read as the value inside.
    """

    format: Literal["jsonl"]


class _Tfds(Strict):
    format: Literal["tfds"]
    dataset: str = Field(pattern=r"^\w+(/[\w.-]+)?(:\d+\.\d+\.\d+)?$")
    """Name in TensorFlow Datasets: `movielens/100k-ratings`, with `:1.0.0` for a version."""
    data_dir: Path | None = None
    """Directory of prepared data sets. The default is TFDS's: `TFDS_DATA_DIR` or `~/tensorflow_datasets`."""


class ParquetInteractions(_FileInteractions, _Parquet):
    """Interactions in Parquet files."""


class ParquetEntities(_FileEntities, _Parquet):
    """Queries or candidates in Parquet files."""


class CsvInteractions(CsvDialect, _FileInteractions):
    """Interactions in delimited text files, also compressed (gzip, zstd, bzip2, xz, zip)."""


class CsvEntities(CsvDialect, _FileEntities):
    """Queries or candidates in delimited text files, also compressed (gzip, zstd, bzip2, xz, zip)."""


class JsonlInteractions(_FileInteractions, _Jsonl):
    """Interactions as JSON objects: one per line, in a list, or in `{"data": [...]}`; also compressed."""


class JsonlEntities(_FileEntities, _Jsonl):
    """Queries or candidates as JSON objects; see `JsonlInteractions`."""


class TfdsInteractions(_Interactions, _Tfds):
    """Interactions in a data set of TensorFlow Datasets."""

    split: str | Annotated[dict[Split, str], Field(min_length=1)] = "train"
    """Split of the data set to read, such as `train[:50%]`; or one for each of `train`, `validation`, `test`."""

    @model_validator(mode="after")
    def _one_source_of_splits(self) -> "TfdsInteractions":
        if isinstance(self.split, dict) and self.columns.split:
            raise ValueError("splits are given twice: by 'split' and by columns.split")
        return self


class TfdsEntities(_Entities, _Tfds):
    """Queries or candidates in a data set of TensorFlow Datasets."""

    split: str = "train"
    """Split of the data set to read."""


class SyntheticInteractions(Strict):
    """Generated interactions with learnable tastes, and their query and candidate tables."""

    format: Literal["synthetic"]
    queries: int = Field(default=2000, ge=1)
    """Number of queries."""
    candidates: int = Field(default=1000, ge=20)
    """Number of candidates."""
    events_per_query: float = Field(default=30.0, ge=2, le=1000)
    """Mean number of events per query, before repeated choices are removed."""
    topics: int = Field(default=12, ge=2, le=200)
    """Number of clusters of taste. A query likes a few, a candidate belongs to one or two."""
    new_candidate_fraction: float = Field(default=0.2, ge=0, le=0.9)
    """Share of candidates that first appear in the last third of the time span, so late events contain many of them."""
    seed: int = Field(default=0, ge=0)
    """Random seed. The same seed and settings give the same data."""

    @model_validator(mode="after")
    def _topics_have_candidates(self) -> "SyntheticInteractions":
        if self.topics * 2 > self.candidates:
            raise ValueError(f"{self.topics} topics need at least {2 * self.topics} candidates")
        return self


class FromInteractions(Strict):
    """A query or candidate table from the interactions: the values at each entity's first event."""

    format: Literal["interactions"]
    columns: Annotated[list[ColumnName], Field(min_length=1)]
    """Source columns of the interactions that describe the entity."""


FileInteractions: TypeAlias = ParquetInteractions | CsvInteractions | JsonlInteractions
FileEntities: TypeAlias = ParquetEntities | CsvEntities | JsonlEntities
MappedInteractions: TypeAlias = FileInteractions | TfdsInteractions
MappedEntities: TypeAlias = FileEntities | TfdsEntities
InteractionsSource: TypeAlias = Annotated[MappedInteractions | SyntheticInteractions, Field(discriminator="format")]
EntitiesSource: TypeAlias = Annotated[MappedEntities | FromInteractions, Field(discriminator="format")]


def id_columns(source: MappedInteractions | MappedEntities) -> set[str]:
    """Source columns of the ids."""
    if isinstance(source, MappedInteractions):
        return {source.columns.query_id, source.columns.candidate_id}
    return {source.id}


def needed_columns(source: MappedInteractions | MappedEntities) -> set[str]:
    """Source columns that every file must have: ids, roles and columns of a pivot."""
    if isinstance(source, MappedInteractions):
        return set(source.columns.mapped().values())
    return {source.id, *(source.pivot.columns() if source.pivot else ())}
