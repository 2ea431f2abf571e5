"""Declares the kind of each column that a feature reads, so that other values make dead letters."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from dataplane.sources.config import FromInteractions, MappedEntities, MappedInteractions
from dataplane.sources.value_config import ColumnKind
from models.spec.features import (
    CategoricalFeature,
    Feature,
    FeatureSpec,
    NumericFeature,
    Side,
    TimestampFeature,
    VectorFeature,
)

if TYPE_CHECKING:
    from dataplane.sources.data_config import ExampleGenParams

_SourceT = TypeVar("_SourceT", bound=MappedInteractions | MappedEntities)


def with_feature_kinds(params: "ExampleGenParams", spec: FeatureSpec) -> "ExampleGenParams":
    """Adds the kinds that features need to the settings of the tables. Declared kinds and types take precedence.

    Without a declared kind, a single `n.a.` would turn a column of numbers into text, which numeric features refuse.
    """
    updates: dict[str, object] = {}
    sides: dict[str, list[Side]] = {"interactions": ["context"]}
    for table, side in (("queries", "query"), ("candidates", "candidate")):
        source = getattr(params, table)
        if isinstance(source, MappedEntities):
            updates[table] = source_with_kinds(source, spec, [side])  # type: ignore[list-item]
        elif isinstance(source, FromInteractions):
            sides["interactions"].append(side)  # type: ignore[arg-type]
    if isinstance(params.interactions, MappedInteractions):
        updates["interactions"] = source_with_kinds(params.interactions, spec, sides["interactions"])
    return params.model_copy(update=updates)


def source_with_kinds(source: _SourceT, spec: FeatureSpec, sides: Iterable[Side]) -> _SourceT:
    """Adds the kinds that features need to the settings of one table.

    Args:
        source: settings of the table.
        spec: all features.
        sides: sides whose features read the table.
    """
    declared: Mapping[str, ColumnKind] = source.kinds()
    split = set(getattr(source, "list_columns", {}))
    types = dict(source.types)
    for name, feature in ((name, feature) for side in sides for name, feature in spec.of(side).items()):
        column, kind = feature.column or name, _kind(feature)
        if kind is not None and column not in declared and column not in split and column not in types:
            types[column] = kind
    return source.model_copy(update={"types": types})  # type: ignore[return-value]


def _kind(feature: Feature) -> ColumnKind | None:
    if isinstance(feature, NumericFeature):
        return "number"
    if isinstance(feature, TimestampFeature):
        return "time"
    if isinstance(feature, VectorFeature):
        return "vector"
    return "list" if isinstance(feature, CategoricalFeature) and feature.max_values > 1 else None
