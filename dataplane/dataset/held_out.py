"""Counts how many held-out events can be measured, and why others cannot."""

import numpy as np

from dataplane.artifacts.evaluation import HeldOut
from dataplane.dataset.retrieval_task import seen_splits
from dataplane.dataset.sequences import Dataset, Split
from dataplane.errors import RefusedError
from models.ragged import row_ranges

FEW_QUERIES = 50
"""With fewer queries a note warns that the metrics rest on few queries."""


def held_out(dataset: Dataset, split: Split, *, remove_seen: bool) -> HeldOut:
    """Counts the events and queries of a split that are measured.

    Args:
        dataset: all events.
        split: `validation` or `test`.
        remove_seen: whether candidates that a query had before are left out of its ranking.
    """
    catalogue, counts = len(dataset.candidates), np.zeros(4, np.int64)
    for first, last in row_ranges(dataset.events.offsets):
        events = dataset.events.bare().take(np.arange(first, last))
        asked = events.select([split])
        known = events.select(seen_splits(split)).pairs(catalogue)
        seen = np.isin(asked.pairs(catalogue), known) if remove_seen else np.zeros(len(asked), bool)
        queries, measured = np.unique(asked.queries()), np.unique(asked.queries()[~seen])
        counts += [len(asked), int(seen.sum()), len(queries), len(queries) - len(measured)]
    held, seen_before, asking, without = counts.tolist()
    return HeldOut(events=held, seen_before=seen_before, queries=asking, queries_without=without)


def refuse_unmeasured(dataset: Dataset, *, remove_seen: bool, max_fraction: float) -> None:
    """Refuses the dataset, before anything is trained, if too few test queries could be measured.

    Raises:
        RefusedError: more than `max_fraction` of the queries with test events have nothing left to measure.
    """
    found = held_out(dataset, "test", remove_seen=remove_seen)
    if found.unmeasured_fraction > max_fraction:
        raise RefusedError(f"{too_few(found, max_fraction)}; nothing was trained")


def too_few(counts: HeldOut, max_fraction: float) -> str:
    """Explains why too few test queries can be measured, and what to do."""
    rest = f"; to continue with the rest, raise evaluation.max_unmeasured_fraction (now {max_fraction:g})"
    return (
        f"{counts.queries_without} of {counts.queries} queries with test events cannot be measured: they had all "
        f"these candidates before, and seen candidates are left out ({counts.seen_before} of {counts.events} "
        "test events). If queries return to candidates, as with repeat purchases, set remove_seen: false"
        f"{rest if counts.queries_without < counts.queries else ''}"
    )


def notes(split: str, counts: HeldOut) -> list[str]:
    """Notes for readers of a report about the queries that a split is measured on.

    Args:
        split: `validation` or `test`.
        counts: how much of the split can be measured.
    """
    messages = []
    if counts.seen_before:
        messages.append(
            f"{split}: {counts.seen_before} of {counts.events} events are not measured, because their queries "
            f"had the candidates before; {counts.queries_without} of {counts.queries} queries have no others. "
            "If queries return to candidates, set remove_seen: false"
        )
    left = counts.queries - counts.queries_without
    if counts.queries and left < FEW_QUERIES:
        role = "choose the model" if split == "validation" else "are measured"
        messages.append(f"{split}: only {left} {_verb(left, role)}; differences may be chance")
    return messages


def _verb(count: int, role: str) -> str:
    return f"queries {role}" if count != 1 else "query " + role.replace("choose", "chooses").replace("are", "is")
