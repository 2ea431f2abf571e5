"""How much of the held-out events can be measured, and why the rest cannot."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dataplane.dataset.retrieval_task import seen_splits
from dataplane.dataset.sequences import Dataset, Split
from dataplane.errors import RefusedError
from models.events.ranges import query_ranges

FEW_QUERIES = 50
"""With fewer queries it is told that few decide."""


@dataclass(frozen=True)
class HeldOut:
    """Counts of one split.

    Attributes:
        events: how many are held out.
        seen_before: of these, how many are not measured, since their query had the candidate before and what it had
            is left out of its ranking.
        queries: how many have held-out events.
        queries_without: of these, how many have nothing left to measure.
    """

    events: int
    seen_before: int
    queries: int
    queries_without: int

    @property
    def unmeasured_fraction(self) -> float:
        """Share of the queries with held-out events that have nothing left to measure; 0 without such queries."""
        return self.queries_without / self.queries if self.queries else 0.0

    def to_json(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


def held_out(dataset: Dataset, split: Split, *, remove_seen: bool) -> HeldOut:
    """Counts what of a split is measured.

    Args:
        dataset: all events.
        split: `validation` or `test`.
        remove_seen: whether candidates that a query had before are left out of its ranking.
    """
    catalogue, counts = len(dataset.candidates), np.zeros(4, np.int64)
    for first, last in query_ranges(dataset.events.offsets):
        events = dataset.events.bare().take(np.arange(first, last))
        asked = events.select([split])
        known = events.select(seen_splits(split)).pairs(catalogue)
        seen = np.isin(asked.pairs(catalogue), known) if remove_seen else np.zeros(len(asked), bool)
        queries, measured = np.unique(asked.queries()), np.unique(asked.queries()[~seen])
        counts += [len(asked), int(seen.sum()), len(queries), len(queries) - len(measured)]
    return HeldOut(*counts.tolist())


def refuse_unmeasured(dataset: Dataset, *, remove_seen: bool, max_fraction: float) -> None:
    """Refuses, before anything is trained, what most test queries could not measure afterwards.

    Raises:
        RefusedError: more than `max_fraction` of the queries with test events have nothing left to measure.
    """
    found = held_out(dataset, "test", remove_seen=remove_seen)
    if found.unmeasured_fraction > max_fraction:
        raise RefusedError(f"{too_few(found.to_json(), max_fraction)}; nothing was trained")


def too_few(counts: Mapping[str, Any], max_fraction: float) -> str:
    """Why most of the test cannot be measured, and what can be done."""
    rest = f"; to go on with the rest, raise evaluation.max_unmeasured_fraction (now {max_fraction:g})"
    return (
        f"{counts['queries_without']} of {counts['queries']} queries with test events would not be measured: they had "
        f"all these candidates before, and what they had is left out ({counts['seen_before']} of {counts['events']} "
        "test events). Where queries come back to candidates, as with repeat purchases, set remove_seen: false"
        f"{rest if counts['queries_without'] < counts['queries'] else ''}"
    )


def notes(split: Split, counts: Mapping[str, Any]) -> list[str]:
    """What a reader should know about the queries a split is measured on.

    Args:
        split: `validation` or `test`.
        counts: of `HeldOut`.
    """
    told = []
    if counts["seen_before"]:
        told.append(
            f"{split}: {counts['seen_before']} of {counts['events']} events are not measured, as their queries had the "
            f"candidates before; {counts['queries_without']} of {counts['queries']} queries have nothing else. Where "
            "queries come back to candidates, set remove_seen: false"
        )
    left = counts["queries"] - counts["queries_without"]
    if counts["queries"] and left < FEW_QUERIES:
        role = "choose the model" if split == "validation" else "decide"
        told.append(f"{split}: only {left} {_verb(left, role)}: what is better may be chance")
    return told


def _verb(count: int, role: str) -> str:
    return (
        f"queries {role}" if count != 1 else "query " + role.replace("choose", "chooses").replace("decide", "decides")
    )
