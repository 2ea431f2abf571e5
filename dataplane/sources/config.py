"""What a user says about the source of each table: format, files, and which column means what."""

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
"""Names that interactions' mapped columns get; no other source column may use them."""


class InteractionColumns(Strict):
    """Which source column plays which role in the interactions table."""

    query_id: ColumnName
    """Who or what asks: a user, a session, a basket."""
    candidate_id: ColumnName
    """What was chosen: an item, a document, a track."""
    timestamp: ColumnName | None = None
    """When it happened."""
    order: ColumnName | None = None
    """A number that orders a query's events, after the timestamp where there are both."""
    weight: ColumnName | None = None
    """Rating, reward or count of the event, not negative."""
    split: ColumnName | None = None
    """Column that says `train`, `validation` or `test` for each row."""

    @model_validator(mode="after")
    def _roles_are_distinct(self) -> "InteractionColumns":
        taken: dict[str, str] = {}
        for role, column in self.mapped().items():
            if column in taken:
                raise ValueError(f"column {column!r} cannot be both {taken[column]} and {role}")
            taken[column] = role
        return self

    def mapped(self) -> dict[str, str]:
        """Source column of each role that is given."""
        return {role: column for role in ROLES if (column := getattr(self, role)) is not None}


class _Table(ValueSettings):
    keep: list[ColumnName] | None = None
    """Further columns to carry along; all that have a usable type if absent."""
    whole_number_ids: bool = False
    """Ids such as `12346.0` are `12346`, as tools write whole numbers of a column in which some are missing. Without
    it they stay what they are in texts, and floats are refused. Ids that are no numbers stay what they are."""


class _Interactions(_Table):
    columns: InteractionColumns
    """Which source column plays which role."""
    time_unit: TimeUnit = "auto"
    """What a timestamp counts since 1970 (UTC), `iso` for text such as 2026-11-22, `yyyymmdd` for dates such as
    20261122; `auto` tells it from the values."""
    min_weight: float | None = None
    """Keep only events with at least this weight, such as ratings from 4 up."""

    @model_validator(mode="after")
    def _settings_have_their_column(self) -> "_Interactions":
        for role, column in self.columns.mapped().items():
            if column in self.types:
                raise ValueError(f"types: {column!r} is columns.{role}, which says what it holds; leave it out")
        if self.min_weight is not None and self.columns.weight is None:
            raise ValueError("'min_weight' needs columns.weight")
        if self.time_unit != "auto" and self.columns.timestamp is None:
            raise ValueError("'time_unit' needs columns.timestamp")
        if self.time_unit not in ("auto", "iso") and self.columns.timestamp in self.date_formats:
            raise ValueError(f"'time_unit' {self.time_unit!r} and 'date_formats' both say how the timestamp is written")
        return self


class _Entities(_Table):
    id: ColumnName
    """Column that identifies the query or candidate."""
    pivot: Pivot | None = None
    """How to read a table that has a property of an entity on each row."""

    @model_validator(mode="after")
    def _pivot_has_all_columns(self) -> "_Entities":
        if self.pivot is None:
            return self
        if self.keep is not None:
            raise ValueError("with 'pivot' its own 'keep' names the columns; leave out the other")
        if self.id in self.pivot.columns():
            raise ValueError(f"pivot: {self.id!r} is the id")
        if reserved := sorted({"query_id", "candidate_id", self.id} & set(self.pivot.keep)):
            raise ValueError(f"pivot.keep: {reserved[0]!r} is the name of an id")
        return self

    @model_validator(mode="after")
    def _id_is_no_number(self) -> "_Entities":
        if self.id in self.kinds():
            raise ValueError(
                f"{self.id!r} is the id, which is text whatever it looks like; leave it out of the settings"
            )
        return self


class _Lists(Strict):
    list_columns: dict[ColumnName, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)
    """Text columns that hold several values, with what separates them: `genres: "|"`."""


class _FileInteractions(_Interactions, _Lists):
    path: Paths | SplitPaths
    """File, directory, glob or a list of them; or one of these for each of `train`, `validation`, `test`.

    Local, or in an object store: `gs://BUCKET/…`, `s3://BUCKET/…` (credentials: `dataplane.files.storage`). A directory
    is its files and those of its `COLUMN=VALUE` directories, whose names become columns (see
    `dataplane.sources.partitions`); a glob chooses among them: `events/dt=2026-11-2*`."""

    @model_validator(mode="after")
    def _one_source_of_splits(self) -> "_FileInteractions":
        if isinstance(self.path, dict) and self.columns.split:
            raise ValueError("splits are given twice: by 'path' and by columns.split")
        return self


class _FileEntities(_Entities, _Lists):
    path: Paths
    """File, directory, glob or a list of them, as `path` of the interactions."""


class _Parquet(Strict):
    """Fields of structs are columns, too, called by their path: `user.id`."""

    format: Literal["parquet"]
    bytes_as: Literal["auto", "text", "hex", "uuid"] = "auto"
    """What bytes that are not marked as text become. `auto`: UUIDs, where each value has 16 bytes by its type,
    hexadecimal digits, where it has another fixed number of bytes, and text otherwise."""


class _Jsonl(Strict):
    """Members of inner objects are columns, too, called by their path: `user.id`.

    MongoDB's `{"$oid": "…"}`, `{"$numberLong": "…"}` and `{"$date": …}` are the value alone.
    """

    format: Literal["jsonl"]


class _Tfds(Strict):
    format: Literal["tfds"]
    dataset: str = Field(pattern=r"^\w+(/[\w.-]+)?(:\d+\.\d+\.\d+)?$")
    """Name in TensorFlow Datasets: `movielens/100k-ratings`, with `:1.0.0` for a version."""
    data_dir: Path | None = None
    """Where data sets are prepared; TFDS's own `TFDS_DATA_DIR` or `~/tensorflow_datasets` if absent."""


class ParquetInteractions(_FileInteractions, _Parquet):
    """Interactions in Parquet files."""


class ParquetEntities(_FileEntities, _Parquet):
    """Queries or candidates in Parquet files."""


class CsvInteractions(CsvDialect, _FileInteractions):
    """Interactions in delimited text files, also compressed (gzip, zstd, bzip2, xz, zip)."""


class CsvEntities(CsvDialect, _FileEntities):
    """Queries or candidates in delimited text files, also compressed (gzip, zstd, bzip2, xz, zip)."""


class JsonlInteractions(_FileInteractions, _Jsonl):
    """Interactions as JSON objects: one a line, in a list, or in `{"data": [...]}`; also compressed."""


class JsonlEntities(_FileEntities, _Jsonl):
    """Queries or candidates as JSON objects, see `JsonlInteractions`."""


class TfdsInteractions(_Interactions, _Tfds):
    """Interactions in a data set of TensorFlow Datasets."""

    split: str | Annotated[dict[Split, str], Field(min_length=1)] = "train"
    """Which of its splits to read, e.g. `train[:50%]`; or one for each of `train`, `validation`, `test`."""

    @model_validator(mode="after")
    def _one_source_of_splits(self) -> "TfdsInteractions":
        if isinstance(self.split, dict) and self.columns.split:
            raise ValueError("splits are given twice: by 'split' and by columns.split")
        return self


class TfdsEntities(_Entities, _Tfds):
    """Queries or candidates in a data set of TensorFlow Datasets."""

    split: str = "train"
    """Which of its splits to read."""


class SyntheticInteractions(Strict):
    """A made-up world with learnable tastes; brings its query and candidate tables along."""

    format: Literal["synthetic"]
    queries: int = Field(default=2000, ge=1)
    """How many queries there are."""
    candidates: int = Field(default=1000, ge=20)
    """How many candidates there are."""
    events_per_query: float = Field(default=30.0, ge=2, le=1000)
    """Events of a query on average, before repeated choices are left out."""
    topics: int = Field(default=12, ge=2, le=200)
    """Clusters of taste; queries like a few, candidates belong to one or two."""
    new_candidate_fraction: float = Field(default=0.2, ge=0, le=0.9)
    """Share of candidates that appear in the last third of the time span, so late events are full of them."""
    seed: int = Field(default=0, ge=0)
    """Same seed and settings, same data."""

    @model_validator(mode="after")
    def _topics_have_candidates(self) -> "SyntheticInteractions":
        if self.topics * 2 > self.candidates:
            raise ValueError(f"{self.topics} topics need at least {2 * self.topics} candidates")
        return self


class FromInteractions(Strict):
    """A query or candidate table taken from the interactions' own rows: the values at the entity's first event."""

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
    """Source columns of the ids, which every row has."""
    if isinstance(source, MappedInteractions):
        return {source.columns.query_id, source.columns.candidate_id}
    return {source.id}


def needed_columns(source: MappedInteractions | MappedEntities) -> set[str]:
    """Source columns that every file must have: ids, roles, and those of a pivot."""
    if isinstance(source, MappedInteractions):
        return set(source.columns.mapped().values())
    return {source.id, *(source.pivot.columns() if source.pivot else ())}
