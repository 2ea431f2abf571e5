"""Generates a large static data set: no order, no features, popularity by Zipf's law, and places as latent structure.

Candidates lie in small clusters, and clusters in regions, like the places of a city. A query draws half of its events
from three clusters of its region, a third from the region and the rest from everywhere, each time by popularity.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

QUERIES, CANDIDATES, EVENTS = 30_000, 40_000, 720_000
_CLUSTERS, _REGIONS, _HOMES = 1600, 60, 3
_OF_CLUSTER, _OF_REGION = 0.5, 0.3
"""Shares of the events from a query's clusters and from the rest of its region."""
_ZIPF = 0.8
_FEWEST, _MOST = 8, 400
"""Events of a query."""
_SPARE = 1.6
"""How many draws replace each event, because draws repeat candidates."""


class _Groups:
    """Draws candidates of a group by popularity.

    The ladder has, for each candidate in the order of the groups, its group's number plus the share of the group up to
    it. One binary search then draws from any group.
    """

    def __init__(self, group: np.ndarray, popularity: np.ndarray) -> None:
        self._order = np.argsort(group, kind="stable")
        ordered, weight = group[self._order], popularity[self._order]
        totals = np.bincount(ordered, weight)
        before = np.cumsum(totals) - totals
        self._ladder = ordered + (np.cumsum(weight) - before[ordered]) / totals[ordered]

    def draw(self, group: np.ndarray, random: np.random.Generator) -> np.ndarray:
        found = np.searchsorted(self._ladder, group + random.random(len(group)))
        return self._order[np.minimum(found, len(self._order) - 1)]


def make_events(queries: int, candidates: int, events: int, *, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Query and candidate of each event, in the order of the queries; a query has a candidate at most once.

    Args:
        queries: number of queries.
        candidates: number of candidates.
        events: approximate number of events.
        seed: decides everything.
    """
    random = np.random.default_rng(seed)
    region_of = np.sort(np.concatenate([np.arange(_REGIONS), random.integers(_REGIONS, size=_CLUSTERS - _REGIONS)]))
    cluster = np.concatenate([np.arange(_CLUSTERS), random.integers(_CLUSTERS, size=candidates - _CLUSTERS)])
    popularity = random.permutation(np.arange(1, candidates + 1) ** -_ZIPF)
    sizes = np.clip(random.lognormal(2.9, 0.75, queries), _FEWEST, _MOST)
    sizes = np.maximum(sizes * events / sizes.sum(), _FEWEST).astype(int)
    query = np.repeat(np.arange(queries), (sizes * _SPARE).astype(int))
    region = random.integers(_REGIONS, size=queries)
    first, last = np.searchsorted(region_of, [region, region + 1])
    homes = random.integers(first[:, None], last[:, None], size=(queries, _HOMES))
    near = _Groups(cluster, popularity).draw(homes[query, random.integers(_HOMES, size=len(query))], random)
    around = _Groups(region_of[cluster], popularity).draw(region[query], random)
    anywhere = _Groups(np.zeros(candidates, int), popularity).draw(np.zeros(len(query), int), random)
    kind = random.random(len(query))
    candidate = np.where(kind < _OF_CLUSTER, near, np.where(kind < _OF_CLUSTER + _OF_REGION, around, anywhere))
    kept = np.sort(np.unique(query * candidates + candidate, return_index=True)[1])
    query, candidate = query[kept], candidate[kept]
    place = np.arange(len(query)) - np.searchsorted(query, np.arange(queries))[query]
    within = place < sizes[query]
    return query[within], candidate[within]


def write_large_static(work: Path) -> Path:
    """Writes the interactions to `work`; later calls find the file."""
    file = work / "large_static.parquet"
    if not file.is_file():
        query, candidate = make_events(QUERIES, CANDIDATES, EVENTS)
        work.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.part")
        pq.write_table(pa.table({"query": query, "candidate": candidate}), part)
        part.rename(file)
    return file
