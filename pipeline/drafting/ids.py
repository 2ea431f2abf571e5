"""Finds the two columns of a table that are likely the ids of queries and candidates."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from pipeline.drafting.links import Link, links, nature_of
from pipeline.drafting.names import concepts, describes, is_key, says_what, says_who
from pipeline.drafting.profile import Column, short
from pipeline.drafting.tables import Table

_SMALL_TABLE = 10
_CLEAR = 0.8
_NAMED = 0.5
_MOSTLY_DISTINCT = 0.75
"""Ids of events repeat from row to row; a column with more distinct values describes the rows of a table of things."""
_COST_OF_MISSING = 2.2
"""Weight of missing values: if little more than half of the rows have a user, sessions are the better queries."""
_MOST_IDS = 24


@dataclass(frozen=True)
class Id:
    """Evidence that a column holds ids: its name, the table it refers to, its values.

    Attributes:
        column: the column.
        position: its position in the table.
        who: how clearly its name says who chose, from 0 to 1.
        what: how clearly its name says what was chosen, from 0 to 1.
        link: the table that its values refer to.
    """

    column: Column
    position: int
    who: float
    what: float
    link: Link | None

    @property
    def named(self) -> float:
        """How clearly its name says who or what."""
        return max(self.who, self.what)

    @property
    def value(self) -> float:
        """Evidence from the values: many distinct values speak for ids, missing ones against them."""
        linked = self.link.strength if self.link else 0.0
        return linked + 0.1 * math.log10(max(self.column.distinct, 1)) - _COST_OF_MISSING * self.column.missing_share

    def link_to(self, nature: str) -> float:
        """How clearly it refers to a table of the given nature."""
        return self.link.strength if self.link and nature_of(self.link.table) == nature else 0.0

    @property
    def repeats(self) -> bool:
        """Whether its values repeat from row to row."""
        return self.column.distinct <= _MOSTLY_DISTINCT * self.column.present


def find_pair(table: Table, others: Sequence[Table]) -> tuple[float, Id, Id] | None:
    """The most likely ids of queries and candidates, with their score; None if a table has none.

    Args:
        table: the table.
        others: tables that its columns may refer to.
    """
    ids = list(_ids(table, others))
    unusable = named_but_unusable(table)
    pairs = [(_score(q, c), q, c) for q, c in permutations(ids, 2) if _may_be_pair(q, c, table)]
    # A column whose name says whose choice it is, but whose values are no ids, is not replaced by an unnamed column.
    pairs = [pair for pair in pairs if not any(_says_more(column, *pair[1:]) for column in unusable)]
    return max(pairs, key=lambda pair: pair[0], default=None)


def row_keys(table: Table) -> list[str]:
    """Columns that name the rows. Times may be unique per row without naming it."""
    return [name for name in table.keys if not table.columns[name].moments.is_time or says_who(name) or says_what(name)]


def named_but_unusable(table: Table) -> list[Column]:
    """Columns named as ids whose values a run would refuse as ids: numbers with fractions, lists, records."""
    named = [
        c for c in table.columns.values() if table.has_header and max(says_who(c.name), says_what(c.name)) >= _NAMED
    ]
    return [column for column in named if not column.can_hold_ids and column.present]


def why_taken(found: Id, role: str) -> str:
    """Explains why a column was taken as `query_id` or `candidate_id`."""
    column = found.column
    reasons = []
    if (found.who if role == "query_id" else found.what) >= _NAMED:
        reasons.append("by its name")
    elif found.link and nature_of(found.link.table) in ("", role.removesuffix("_id")):
        link = found.link
        reasons.append(f"{link.found:.0%} of its values are {link.key.name} of {link.table.name}")
    else:
        reasons.append(f"check: guessed from {column.distinct} distinct values")
    return f"took {short(column.name)[1:-1]} as {role}: {'; '.join(reasons)}"


def _ids(table: Table, others: Sequence[Table]) -> Iterator[Id]:
    found = 0
    for position, column in enumerate(table.columns.values()):
        who, what = (says_who(column.name), says_what(column.name)) if table.has_header else (0.0, 0.0)
        if found == _MOST_IDS or column.distinct < 2 or not column.can_hold_ids or _is_key(column):
            continue
        known = concepts(column.name) & {"weight", "order", "kind", "time", "other_time"}
        if not (who or what) and (not column.looks_like_ids or describes(column.name) or known):
            continue
        best = max(links(column, others), key=lambda link: link.strength, default=None)
        found += 1
        yield Id(column, position, who, what, best if best and best.strength else None)


def _says_more(column: Column, query: Id, candidate: Id) -> bool:
    return (says_who(column.name) and not query.who) or bool(says_what(column.name) and not candidate.what)


def _is_key(column: Column) -> bool:
    """Whether every row has its own value; such a column names rows, not queries with several events."""
    return len(column.values) >= _SMALL_TABLE and column.distinct == column.present


def _may_be_pair(query: Id, candidate: Id, table: Table) -> bool:
    if query.what > query.who or candidate.who > candidate.what:
        return min(query.who, candidate.who) >= _CLEAR and not table.keys  # who follows whom
    if _is_of_entities(table) and not (is_key(query.column.name) and is_key(candidate.column.name)):
        return False
    if not (query.named or candidate.named):
        return _may_be_pair_by_values(query, candidate, table)
    if row_keys(table) and not (query.named or query.link):
        return False
    return all(each.named or each.link or _many_values(each.column) for each in (query, candidate))


def _may_be_pair_by_values(query: Id, candidate: Id, table: Table) -> bool:
    """Whether both refer to other tables, or have many values that repeat in a table whose rows have no names."""
    unlinked = [each for each in (query, candidate) if each.link is None]
    if not unlinked:
        return True
    if row_keys(table) or not all(each.repeats for each in unlinked):
        return False
    return (len(unlinked) == len(table.columns) == 2) or all(_many_values(each.column) for each in unlinked)


def _is_of_entities(table: Table) -> bool:
    """Whether its rows are queries or candidates; then columns such as `members` and `episodes` are counts."""
    return table.has_header and any(max(says_who(key), says_what(key)) >= _CLEAR for key in row_keys(table))


def _many_values(column: Column) -> bool:
    return column.distinct >= 10 or column.distinct >= len(column.values) / 10


def _score(query: Id, candidate: Id) -> float:
    score = 2 * query.who + 2 * candidate.what + query.value + candidate.value
    score -= 1.5 * (query.what > query.who) + 1.5 * (candidate.who > candidate.what)
    score += query.link_to("query") + candidate.link_to("candidate")
    score -= query.link_to("candidate") + candidate.link_to("query")
    return score + 0.05 * (query.position < candidate.position)
