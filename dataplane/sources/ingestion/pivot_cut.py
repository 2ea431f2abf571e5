"""Sets and checks `pivot.before`, the moment up to which values of a table in long form are used."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dataplane.sources.config import MappedEntities
from dataplane.sources.pivot_config import Pivot
from models.spec.split_config import RatioSplit, SplitConfig, TimeSplit

if TYPE_CHECKING:
    from dataplane.sources.data_config import ExampleGenParams

_NEEDED = (
    "is needed with split.method '{method}', which has no fixed moment from which events are held out: the last value "
    "of a property may be newer than a held-out event and leak it. Set the moment up to which values "
    "are used, or use split {{method: time, validation_from: …, test_from: …}}"
)
_TOO_LATE = (
    "{before} is later than split.validation_from, {cut}: values from in between would leak held-out events. "
    "Remove it, or set that moment or an earlier one"
)


def with_pivot_cuts(params: "ExampleGenParams", split: SplitConfig) -> "ExampleGenParams":
    """Sets `before` of each pivot with timestamps to the start of the held-out events, unless the user set it."""
    cut = split.validation_from if isinstance(split, TimeSplit) else None
    updates = {}
    for table, pivot in _pivots(params):
        if pivot.timestamp is not None and pivot.before is None and cut is not None:
            updates[table] = _with_before(getattr(params, table), pivot.model_copy(update={"before": cut}))
    return params.model_copy(update=updates)


def with_latest_values(source: MappedEntities) -> MappedEntities:
    """Removes `before` from the settings of a table, so that the latest values are used."""
    if source.pivot is None:
        return source
    return _with_before(source, source.pivot.model_copy(update={"before": None}))


def pivot_problems(params: "ExampleGenParams", split: SplitConfig) -> Iterator[tuple[str, str]]:
    """Yields (key, problem) for each pivot whose values could be newer than held-out events."""
    cut = split.validation_from if isinstance(split, TimeSplit) else None
    for table, pivot in _pivots(params):
        key = f"data.{table}.pivot.before"
        if pivot.timestamp is None or isinstance(split, RatioSplit):
            continue
        if cut is None and pivot.before is None:
            yield key, _NEEDED.format(method=split.method)
        elif cut is not None and pivot.before is not None and pivot.before > cut:
            yield key, _TOO_LATE.format(before=pivot.before.isoformat(), cut=cut.isoformat())


def _pivots(params: "ExampleGenParams") -> Iterator[tuple[str, Pivot]]:
    for table, source in params.entity_tables().items():
        if isinstance(source, MappedEntities) and source.pivot is not None:
            yield table, source.pivot


def _with_before(source: MappedEntities, pivot: Pivot) -> MappedEntities:
    return source.model_copy(update={"pivot": pivot})
