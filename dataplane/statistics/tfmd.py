"""Conversion to and from the protocol buffers of tensorflow-metadata, which TFDV and Facets read.

A tensorflow-metadata schema is one flat list of features. Here it holds all tables, so a feature is named
`TABLE/COLUMN`. A plain column has `value_count {min: 1 max: 1}`; any other value count means a list.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from dataplane.artifacts.statistics import ColumnReport, Extent, TableReport
from dataplane.errors import DataError

_STATISTICS_TYPES = {"string": "STRING", "int64": "INT", "float64": "FLOAT", "bool": "INT", "timestamp": "INT"}
_SCHEMA_TYPES = {"string": "BYTES", "int64": "INT", "float64": "FLOAT", "bool": "INT", "timestamp": "INT"}
_DECILES = tuple(str(i / 10) for i in range(11))


@dataclass(frozen=True)
class ColumnSchema:
    """The expected properties of a column.

    Attributes:
        type: from `column_statistics.type_name`.
        min_fraction: share of the rows that must have a value.
        min_count: number of rows that must have a value.
        min_length: minimum length of a list; None if not limited or not a list.
        max_length: maximum length of a list; None if not limited or not a list.
        domain: allowed strings; None for any.
        low: smallest allowed number; None for any.
        high: largest allowed number; None for any.
        drift_l_infinity: limit of the `drift_comparator` for the share of a value; None without one.
        drift_jensen_shannon: limit of the `drift_comparator` for the Jensen-Shannon divergence; None without one.
    """

    type: str
    min_fraction: float = 0.0
    min_count: int = 0
    min_length: int | None = None
    max_length: int | None = None
    domain: tuple[str, ...] | None = None
    low: float | None = None
    high: float | None = None
    drift_l_infinity: float | None = None
    drift_jensen_shannon: float | None = None

    @property
    def is_list(self) -> bool:
        """Whether rows hold lists of values."""
        return self.type.startswith("list<")

    @property
    def element_type(self) -> str:
        """Type of a single value."""
        return self.type.removeprefix("list<").removesuffix(">")


TableSchemas = Mapping[str, Mapping[str, ColumnSchema]]
"""Expected columns by table and name."""


def statistics_proto(report: Mapping[str, TableReport]) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Converts the statistics of all tables to a proto.

    Args:
        report: of each table.
    """
    datasets = statistics_pb2.DatasetFeatureStatisticsList()
    for name, table in report.items():
        dataset = datasets.datasets.add(name=name, num_examples=table.rows)
        for column, facts in table.columns.items():
            _fill_feature(dataset.features.add(name=column), facts, table.rows)
    return datasets


def schema_text(tables: TableSchemas) -> str:
    """The schema as text, preceded by a comment that explains it."""
    schema = schema_pb2.Schema(feature=[_feature(t, c, tables[t][c]) for t in tables for c in tables[t]])
    text = text_format.MessageToString(schema, as_utf8=True)
    return f"# Expected properties of every column, by TABLE/COLUMN. Review them, then set 'schema.path'.\n{text}"


def read_schema(path: Path) -> dict[str, dict[str, ColumnSchema]]:
    """Reads `schema.pbtxt`.

    Raises:
        DataError: the file is not a schema in the format of this module; the message names file and line.
    """
    try:
        return parse_schema(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def parse_schema(content: bytes, name: str) -> dict[str, dict[str, ColumnSchema]]:
    """Reads the content of a `schema.pbtxt`.

    Args:
        content: of the file.
        name: what the file is called in messages.

    Raises:
        DataError: it is not a schema as this module writes it; the message names file and line.
    """
    try:
        text = content.decode()
        schema = text_format.Parse(text, schema_pb2.Schema())
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: cannot be read: {error}") from error
    except text_format.ParseError as error:
        raise DataError(f"{name}:{error.GetLine() or 1}: not a tensorflow-metadata schema: {error}") from error
    tables: dict[str, dict[str, ColumnSchema]] = {}
    for feature in schema.feature:
        table, _, column = feature.name.partition("/")
        try:
            if table not in ("interactions", "queries", "candidates") or not column:
                raise ValueError("features are named interactions/COLUMN, queries/COLUMN or candidates/COLUMN")
            if column in tables.setdefault(table, {}):
                raise ValueError("the feature is defined twice")
            tables[table][column] = _column(feature, schema.string_domain)
        except ValueError as error:
            raise DataError(f"{name}:{_line_of(text, feature.name)}: feature '{feature.name}': {error}") from error
    return tables


def _fill_feature(feature: statistics_pb2.FeatureNameStatistics, facts: ColumnReport, rows: int) -> None:
    element = facts.type.removeprefix("list<").removesuffix(">")
    feature.type = statistics_pb2.FeatureNameStatistics.Type.Value(_STATISTICS_TYPES[element])
    # tensorflow-metadata has fewer types than Arrow, so the Arrow type is kept as a custom statistic.
    feature.custom_stats.add(name="type", str=facts.type)
    if element == "string":
        _fill_common(feature.string_stats.common_stats, facts, rows)
        _fill_strings(feature.string_stats, facts)
    else:
        _fill_common(feature.num_stats.common_stats, facts, rows)
        _fill_numbers(feature.num_stats, facts)


def _fill_common(common: statistics_pb2.CommonStatistics, facts: ColumnReport, rows: int) -> None:
    length = facts.list_length if facts.type.startswith("list") else Extent(min=1, max=1, mean=1.0)
    common.num_missing, common.num_non_missing = facts.missing, rows - facts.missing
    common.tot_num_values = facts.elements
    if common.num_non_missing:
        assert length.min is not None
        assert length.max is not None
        assert length.mean is not None
        common.min_num_values, common.max_num_values = length.min, length.max
        common.avg_num_values = length.mean


def _fill_strings(strings: statistics_pb2.StringStatistics, facts: ColumnReport) -> None:
    strings.unique = facts.distinct
    strings.avg_length = facts.string_length.mean or 0.0
    for rank, top in enumerate(facts.top_values or ()):
        strings.top_values.add(value=top.value, frequency=top.count)
        strings.rank_histogram.buckets.add(low_rank=rank, high_rank=rank, label=top.value, sample_count=top.count)


def _fill_numbers(numbers: statistics_pb2.NumericStatistics, facts: ColumnReport) -> None:
    numbers.num_zeros = facts.zeros
    numbers.mean, numbers.std_dev = facts.mean or 0.0, facts.std or 0.0
    numbers.min, numbers.max = facts.min or 0.0, facts.max or 0.0
    if not facts.quantiles:
        return
    numbers.median = facts.quantiles["0.5"]
    histogram_types = statistics_pb2.Histogram
    standard = numbers.histograms.add(type=histogram_types.STANDARD, num_nan=facts.nan)
    for bucket in facts.histogram:
        standard.buckets.add(low_value=bucket.low, high_value=bucket.high, sample_count=bucket.count)
    quantiles = numbers.histograms.add(type=histogram_types.QUANTILES, num_nan=facts.nan)
    count = sum(bucket.count for bucket in facts.histogram) / (len(_DECILES) - 1)
    for low, high in pairwise(_DECILES):
        ends = facts.quantiles[low], facts.quantiles[high]
        quantiles.buckets.add(low_value=ends[0], high_value=ends[1], sample_count=count)


def _feature(table: str, name: str, column: ColumnSchema) -> schema_pb2.Feature:
    feature = schema_pb2.Feature(name=f"{table}/{name}")
    feature.type = schema_pb2.FeatureType.Value(_SCHEMA_TYPES[column.element_type])
    if column.min_fraction:
        feature.presence.min_fraction = column.min_fraction
    if column.min_count:
        feature.presence.min_count = column.min_count
    _fill_value_count(feature, column)
    if column.domain is not None:
        feature.string_domain.value.extend(column.domain)
    if column.element_type == "bool":
        feature.bool_domain.SetInParent()
    elif column.element_type == "timestamp":
        feature.time_domain.integer_format = schema_pb2.TimeDomain.UNIX_MICROSECONDS
    elif column.low is not None or column.high is not None:
        domain = feature.int_domain if column.element_type == "int64" else feature.float_domain
        for field, value in (("min", column.low), ("max", column.high)):
            if value is not None:
                setattr(domain, field, value)
    _fill_comparator(feature.drift_comparator, column)
    return feature


def _fill_comparator(comparator: schema_pb2.FeatureComparator, column: ColumnSchema) -> None:
    if column.drift_l_infinity is not None:
        comparator.infinity_norm.threshold = column.drift_l_infinity
    if column.drift_jensen_shannon is not None:
        comparator.jensen_shannon_divergence.threshold = column.drift_jensen_shannon


def _fill_value_count(feature: schema_pb2.Feature, column: ColumnSchema) -> None:
    if not column.is_list:
        feature.value_count.min = feature.value_count.max = 1
        return
    feature.value_count.SetInParent()
    if column.min_length is not None:
        feature.value_count.min = column.min_length
    if column.max_length is not None:
        feature.value_count.max = column.max_length


def _column(feature: schema_pb2.Feature, shared: Iterable[schema_pb2.StringDomain]) -> ColumnSchema:
    count = feature.value_count
    if not feature.HasField("value_count"):
        raise ValueError("has no 'value_count'; write {min: 1 max: 1} for a plain column")
    plain = (count.min, count.max) == (1, 1)
    element = _element_type(feature)
    domain = feature.WhichOneof("domain_info")
    low, high = _bounds(feature, domain) if domain in ("int_domain", "float_domain") else (None, None)
    return ColumnSchema(
        type=element if plain else f"list<{element}>",
        min_fraction=feature.presence.min_fraction,
        min_count=feature.presence.min_count,
        min_length=count.min if not plain and count.HasField("min") else None,
        max_length=count.max if not plain and count.HasField("max") else None,
        domain=_string_domain(feature, shared),
        low=low,
        high=high,
        drift_l_infinity=_threshold(feature.drift_comparator, "infinity_norm"),
        drift_jensen_shannon=_threshold(feature.drift_comparator, "jensen_shannon_divergence"),
    )


def _element_type(feature: schema_pb2.Feature) -> str:
    if feature.type == schema_pb2.INT:
        return {"bool_domain": "bool", "time_domain": "timestamp"}.get(feature.WhichOneof("domain_info"), "int64")
    types = {schema_pb2.BYTES: "string", schema_pb2.FLOAT: "float64"}
    if feature.type not in types:
        raise ValueError("'type' must be BYTES, INT or FLOAT")
    return types[feature.type]


def _threshold(comparator: schema_pb2.FeatureComparator, name: str) -> float | None:
    norm = getattr(comparator, name)
    return norm.threshold if norm.HasField("threshold") else None


def _bounds(feature: schema_pb2.Feature, domain: str) -> tuple[float | None, float | None]:
    limits = getattr(feature, domain)
    return (limits.min if limits.HasField("min") else None, limits.max if limits.HasField("max") else None)


def _string_domain(feature: schema_pb2.Feature, shared: Iterable[schema_pb2.StringDomain]) -> tuple[str, ...] | None:
    if feature.HasField("string_domain"):
        return tuple(feature.string_domain.value)
    if not feature.HasField("domain"):
        return None
    for domain in shared:
        if domain.name == feature.domain:
            return tuple(domain.value)
    raise ValueError(f"'domain' names '{feature.domain}', but the schema has no string_domain of that name")


def _line_of(text: str, name: str) -> int:
    lines = text.splitlines()
    return next((i for i, line in enumerate(lines, start=1) if f'"{name}"' in line), 1)
