"""`statistics.json` of Statistics: statistics of each table; see `dataplane.statistics.report`."""

from collections.abc import Mapping
from typing import ClassVar

from dataplane.artifacts.document import Number, Part, Rooted

SAMPLED_IDS = 1024
"""Hashes of ids that are kept of each id column."""


class Extent(Part):
    """Range of lengths; empty if there are no values."""

    min: int | None = None
    max: int | None = None
    mean: float | None = None


class TopValue(Part):
    """A frequent value of a string column."""

    value: str
    count: int


class Bucket(Part):
    """A bar of a histogram."""

    low: float
    high: float
    count: float


class ColumnReport(Part):
    """One column. Values inside lists are counted one by one."""

    type: str
    missing: int
    """Rows without a value."""
    missing_fraction: float = 0.0
    elements: int
    """Number of values."""
    list_length: Extent = Extent()
    """Lengths of lists."""
    null_elements: int = 0
    """Number of nulls inside lists."""
    distinct: int = 0
    """Number of distinct values; 0 for lists of floats."""
    exact: bool = False
    """Whether all values were counted. If not, `distinct` is an estimate, quantiles and histogram come from a sample of
    the rows, and the most frequent value may be unknown."""
    string_length: Extent = Extent()
    """Lengths of strings, in characters."""
    top_values: tuple[TopValue, ...] | None = None
    """Most frequent strings; None for other types, and if not all strings were counted."""
    nan: int = 0
    """This field and the following ones are for numbers. Only `nan` and `infinite` count NaN and infinity."""
    infinite: int = 0
    zeros: int = 0
    min: Number | None = None
    """Timestamps are in microseconds UTC."""
    max: Number | None = None
    mean: float | None = None
    std: float | None = None
    quantiles: Mapping[str, Number] = {}
    """Quantile by share, such as "0.5"."""
    histogram: tuple[Bucket, ...] = ()


class EventsReport(Part):
    """Statistics of the interactions as a matrix of queries and candidates."""

    queries: int
    """Number of distinct queries; the next two count distinct candidates and pairs."""
    candidates: int
    pairs: int
    density: float
    """Share of all possible pairs that occur."""
    repeat_fraction: float
    """Share of the events that repeat an earlier pair."""
    single_event_query_fraction: float
    events_per_query: Mapping[str, Number]
    """`mean`, and quantiles by share."""
    events_per_candidate: Mapping[str, Number]
    exact: bool
    """False if there were too many queries, candidates or pairs, so that only a uniform sample was counted."""
    first: str | None = None
    """Time of the first event, ISO 8601."""
    last: str | None = None
    """Time of the last event, ISO 8601."""
    id_hashes: Mapping[str, tuple[int, ...]] = {}
    """The `SAMPLED_IDS` smallest hashes of the distinct ids, ascending, by id column: a uniform sample. Absent in
    statistics of older releases."""


class Spelling(Part):
    """An id that the interactions and the table write differently."""

    interactions: str
    table: str
    differ_in: tuple[str, ...]


class IdReport(Part):
    """Comparison of the ids of a query or candidate table with those of the interactions; all counts are exact."""

    column: str
    """The id column."""
    ids: int
    """Distinct ids of the interactions."""
    described: int
    """Number of these that the table has."""
    events: int
    """Rows of the interactions."""
    described_events: int
    """Number of these whose id the table has."""
    table_ids: int
    """Distinct ids of the table."""
    used: int
    """Number of these that the interactions have."""
    alike: int
    """Number of ids of the interactions that the table has only in another spelling."""
    undescribed_examples: tuple[str, ...]
    """Ids that only the interactions have."""
    unused_examples: tuple[str, ...]
    """Ids that only the table has."""
    spellings: tuple[Spelling, ...]
    """Examples of `alike`."""
    undescribed_prefix: str
    """Common prefix of the ids that only the interactions have."""
    unused_prefix: str
    """Common prefix of the ids that only the table has."""


class TableReport(Part):
    """One table."""

    rows: int
    columns: Mapping[str, ColumnReport]
    events: EventsReport | None = None
    """Only for interactions."""
    ids: IdReport | None = None
    """Only for query and candidate tables that were not derived from the interactions."""
    spans: Mapping[str, int] = {}
    """Rows of each span, oldest first; only for interactions that have spans."""


class StatisticsReport(Rooted):
    """All tables, by name."""

    FILE: ClassVar[str] = "statistics.json"

    root: Mapping[str, TableReport]
