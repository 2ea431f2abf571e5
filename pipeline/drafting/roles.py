"""Finds the roles of a table's columns (ids, time, order, weight, kind of event) if it holds interactions."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from pipeline.drafting.event_columns import find_time, find_weight, says_split
from pipeline.drafting.ids import Id, find_pair, named_but_unusable, row_keys, why_taken
from pipeline.drafting.kinds import is_kind_of_event
from pipeline.drafting.names import concepts
from pipeline.drafting.profile import Column, short
from pipeline.drafting.tables import Table

_SEVERAL_IDS = r"^[\[(]?'?[A-Za-z]?[0-9]+[-:\w]*'?([ ,;|]+'?[A-Za-z]?[0-9]+[-:\w]*'?)+[\])]?$"


@dataclass(frozen=True)
class Roles:
    """The roles of the columns in a table of interactions.

    Attributes:
        query: who chose.
        candidate: what was chosen.
        time: when it was chosen.
        order: order of a query's events, if there is no time.
        weight: rating or similar.
        split: split of each row.
        kind: kind of event.
        score: how clear the ids are.
        remarks: explanations of these choices, and of columns left out despite their names; for comments.
    """

    query: Column
    candidate: Column
    time: Column | None
    order: Column | None
    weight: Column | None
    split: Column | None
    kind: Column | None
    score: float
    remarks: tuple[str, ...]

    def mapped(self) -> dict[str, str]:
        """Column of each role in `columns`."""
        roles = {
            "query_id": self.query, "candidate_id": self.candidate, "timestamp": self.time, "order": self.order,
            "weight": self.weight, "split": self.split,
        }  # fmt: skip
        return {role: column.name for role, column in roles.items() if column is not None}


def find_roles(table: Table, others: Sequence[Table]) -> Roles | None:
    """Finds the roles of a table's columns; None if the table does not hold interactions.

    Args:
        table: the table.
        others: tables that its columns may refer to.
    """
    pair = find_pair(table, others)
    if pair is None:
        return None
    score, query, candidate = pair
    left = [c for c in table.columns.values() if c.name not in (query.column.name, candidate.column.name)]
    return _with_others(table, query, candidate, left, score)


def why_no_interactions(table: Table) -> str:
    """Explains what a table lacks to hold interactions, for a message."""
    columns = ", ".join(short(name)[1:-1] for name in list(table.columns)[:12])
    lists = [column for column in table.columns.values() if _holds_several_ids(column)]
    unusable = [column for column in named_but_unusable(table) if column not in lists]
    if unusable:
        [first, *_] = unusable
        kind = "records" if first.kind == "unsupported" else first.kind
        reason = f"{first.name} holds {kind} ({first.examples()}), not ids; write them as whole numbers or text"
    elif lists:
        [first, *_] = lists
        reason = f"{first.name} holds several ids per row ({first.examples()}); write one row per event"
    else:
        keys = [f"every row has its own {short(key)[1:-1]}" for key in row_keys(table)][:1]
        reason = keys[0] if keys else "no two columns could be the ids of queries and candidates"
    return f"{table.name} ({columns}): {reason}"


def _with_others(table: Table, query: Id, candidate: Id, left: list[Column], score: float) -> Roles:
    remarks = [why_taken(query, "query_id"), why_taken(candidate, "candidate_id")]
    remarks += [
        f"{column.name}: left out as id; it holds {column.kind} ({column.examples()}): write whole numbers or text"
        for column in named_but_unusable(table)
    ]
    events = find_time(left, has_header=table.has_header)
    left = [column for column in left if column not in (events.time, events.order)]
    split = next((column for column in left if says_split(column)), None)
    kind = next((column for column in left if column is not split and is_kind_of_event(column)), None)
    left = [column for column in left if column not in (split, kind)]
    weight, weight_remarks = find_weight(left, has_header=table.has_header)
    remarks += [*events.remarks, *weight_remarks]
    return Roles(
        query.column, candidate.column, events.time, events.order, weight, split, kind, score, tuple(remarks)
    )  # fmt: skip


def _holds_several_ids(column: Column) -> bool:
    if column.kind in ("list<string>", "list<int64>"):
        return True
    if column.kind != "string" or column.distinct < 2:
        return False
    texts = pc.drop_null(column.values.cast("string")).slice(0, 1000)
    several = pc.match_substring_regex(texts, _SEVERAL_IDS)
    return bool(pc.mean(several.cast("int8")).as_py() > 0.3)


def by_evidence(found: Mapping[int, Roles], tables: Sequence[Table]) -> int:
    """Index of the table that most likely holds the interactions."""

    def fitness(index: int) -> float:
        table, roles = tables[index], found[index]
        said = concepts(table.stem)
        score = roles.score + (roles.time is not None)
        score += 0.7 * (roles.weight is not None) + 0.5 * (roles.kind is not None)
        score += 0.7 * ("log" in said) - 0.7 * bool(said & {"attribute"})
        return score + 0.5 * math.log10(max(table.size, 1))

    return max(found, key=fitness)
