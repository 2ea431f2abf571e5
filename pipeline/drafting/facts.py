"""Facts about the sampled rows that need a setting: repeated choices, unusable rows, events per query."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataplane.sources.ingestion.moments import numbers_of, to_moments
from pipeline.drafting.links import Link
from pipeline.drafting.profile import Column
from pipeline.drafting.roles import Roles
from pipeline.drafting.tables import Table

_TOLERATED = 0.005
"""Half of what `max_bad_fraction` allows by default."""


@dataclass(frozen=True)
class Facts:
    """Facts that a draft has to consider.

    Attributes:
        repeated: share of the events that repeat an earlier choice of their query.
        bad: share of unusable rows in the worst table.
        bad_because: columns of the interactions that cause this, with their share of rows.
        nan: largest share of NaN or infinite numbers in a column.
        most_events: largest number of events of a query; None if the sample may lack some.
    """

    repeated: float
    bad: float
    bad_because: tuple[str, ...]
    nan: float
    most_events: int | None

    @property
    def max_bad_fraction(self) -> float | None:
        """Required setting, with a margin for rows outside the sample; None if the default suffices."""
        return _with_room(self.bad) if self.bad > _TOLERATED else None

    @property
    def max_nan_fraction(self) -> float | None:
        """Required setting for values, as `max_bad_fraction` for rows."""
        return _with_room(self.nan) if self.nan else None


def facts_of(table: Table, roles: Roles, entities: Iterable[Link]) -> Facts:
    """Facts about the interactions and the tables that describe their ids."""
    links = list(entities)
    faults = {column.name: _unusable(column, roles) for column in _mapped(roles)}
    rows = np.any(list(faults.values()), axis=0)
    usable = ~rows
    bad = max([_share(rows, table.broken), *(_bad_rows(link) for link in links)])
    because = tuple(f"{name} {mask.mean():.0%}" for name, mask in faults.items() if mask.mean() > _TOLERATED / 2)
    used = [table, *(link.table for link in links)]
    nan = max((_nan_share(column) for each in used for column in each.columns.values()), default=0.0)
    queries, pairs = _codes(roles.query, usable), _codes(roles.candidate, usable)
    return Facts(_repeated(queries, pairs), bad, because, nan, _most(queries) if table.complete else None)


def _mapped(roles: Roles) -> Iterator[Column]:
    every = (roles.query, roles.candidate, roles.time, roles.order, roles.weight)
    yield from (column for column in every if column is not None)


def _unusable(column: Column, roles: Roles) -> np.ndarray:
    values = column.values
    if column in (roles.query, roles.candidate):
        bad = pc.equal(pc.fill_null(column.ids, ""), "")
    elif column is roles.time:
        bad = to_moments(values, column.moments.unit)[1].is_null()  # type: ignore[arg-type]
    else:
        numbers = numbers_of(values)[1]
        least = 0.0 if column is roles.weight else -math.inf
        bad = pc.or_(numbers.is_null(), pc.less(pc.fill_null(numbers, -1.0), least))
    found: np.ndarray = bad.to_numpy(zero_copy_only=False)
    return found


def _share(bad: np.ndarray, broken: float) -> float:
    return float(broken + (1 - broken) * bad.mean()) if len(bad) else broken


def _bad_rows(link: Link) -> float:
    """Share of the rows of a table of entities that are broken, lack an id, or repeat one."""
    key = link.key
    return link.table.broken + (len(key.values) - key.distinct) / max(len(key.values), 1)


def _nan_share(column: Column) -> float:
    if column.kind != "float64":
        return 0.0
    numbers = column.numbers().drop_null()
    return 0.0 if len(numbers) == 0 else 1 - pc.mean(pc.is_finite(numbers).cast(pa.float64())).as_py()


def _codes(column: Column, usable: np.ndarray) -> np.ndarray:
    encoded = column.ids.filter(pa.array(usable)).dictionary_encode()
    codes: np.ndarray = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


def _repeated(queries: np.ndarray, candidates: np.ndarray) -> float:
    if len(queries) == 0:
        return 0.0
    pairs = np.unique(queries * (candidates.max() + 1) + candidates)
    return 1 - len(pairs) / len(queries)


def _most(codes: np.ndarray) -> int:
    return int(np.bincount(codes).max()) if len(codes) else 0


def _with_room(share: float) -> float:
    return min(1.0, math.ceil(share * 130) / 100)
