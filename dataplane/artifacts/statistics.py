"""`statistics.json` of Statistics: what is in each table, in numbers; see `dataplane.statistics.report`."""

from collections.abc import Mapping
from typing import ClassVar

from dataplane.artifacts.document import Number, Part, Rooted


class Extent(Part):
    """Of lengths; empty where there is nothing to measure."""

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
    """Values."""
    list_length: Extent = Extent()
    """Of lists."""
    null_elements: int = 0
    """Of lists."""
    distinct: int = 0
    """Of all but lists of floats."""
    exact: bool = False
    """Whether no value was left out of the counts; if not, `distinct` is an estimate, quantiles and histogram come from
    a sample of the rows, and the most frequent value may not be known."""
    string_length: Extent = Extent()
    """Of strings, in characters."""
    top_values: tuple[TopValue, ...] | None = None
    """Of strings that were all counted."""
    nan: int = 0
    """Of numbers, as all that follow. NaN and infinity are counted only in `nan` and `infinite`."""
    infinite: int = 0
    zeros: int = 0
    min: Number | None = None
    """Of timestamps in microseconds UTC."""
    max: Number | None = None
    mean: float | None = None
    std: float | None = None
    quantiles: Mapping[str, Number] = {}
    """By share, such as "0.5"."""
    histogram: tuple[Bucket, ...] = ()


class EventsReport(Part):
    """What a recommender wants to know about its interactions."""

    queries: int
    """Distinct ones, as the next two."""
    candidates: int
    pairs: int
    density: float
    """Pairs out of all possible ones."""
    repeat_fraction: float
    """Events that repeat an earlier pair."""
    single_event_query_fraction: float
    events_per_query: Mapping[str, Number]
    """`mean`, and quantiles by share."""
    events_per_candidate: Mapping[str, Number]
    exact: bool
    """False if there were so many queries, candidates or pairs that a uniform sample of them was counted."""
    first: str | None = None
    """The range in time, ISO 8601."""
    last: str | None = None


class Spelling(Part):
    """An id that the interactions and the table write differently."""

    interactions: str
    table: str
    differ_in: tuple[str, ...]


class IdReport(Part):
    """How the ids of a table of queries or candidates meet those of the interactions; all counts are exact."""

    column: str
    """The id column."""
    ids: int
    """Distinct ids of the interactions."""
    described: int
    """Those of them that the table has."""
    events: int
    """Rows of the interactions."""
    described_events: int
    """Those of them whose id the table has."""
    table_ids: int
    """Distinct ids of the table."""
    used: int
    """Those of them that the interactions have."""
    alike: int
    """Ids of the interactions that the table has in another spelling only."""
    undescribed_examples: tuple[str, ...]
    """Ids that only the interactions have."""
    unused_examples: tuple[str, ...]
    """Ids that only the table has."""
    spellings: tuple[Spelling, ...]
    """Examples of `alike`."""
    undescribed_prefix: str
    """What all ids begin with that only the interactions have."""
    unused_prefix: str
    """What all ids begin with that only the table has."""


class TableReport(Part):
    """One table."""

    rows: int
    columns: Mapping[str, ColumnReport]
    events: EventsReport | None = None
    """Of interactions."""
    ids: IdReport | None = None
    """Of a table of queries or candidates that was not taken from the interactions."""


class StatisticsReport(Rooted):
    """All tables, by name."""

    FILE: ClassVar[str] = "statistics.json"

    root: Mapping[str, TableReport]
