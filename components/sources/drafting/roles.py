"""Which columns of a table are ids, time, order, weight and kind of event, if it is one of interactions."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pyarrow.compute as pc

from components.sources.drafting.kinds import is_kind_of_event
from components.sources.drafting.links import Link, links, nature_of
from components.sources.drafting.names import concepts, describes, says_what, says_who, words
from components.sources.drafting.profile import Column, short
from components.sources.drafting.tables import Table

_SMALL_TABLE = 10
_FEW_RATINGS = 11
_MOST_IDS = 24
_SPLITS = {"train", "validation", "test"}
_NEVER_OF_AN_EVENT = {"birth", "birthday", "birthdate", "dob", "geburt", "geburtsdatum", "naissance", "nacimiento",
                      "release", "released", "expiry", "expires", "expired"}  # fmt: skip


@dataclass(frozen=True)
class Roles:
    """Columns of a table of interactions.

    Attributes:
        query: who chose.
        candidate: what was chosen.
        time: when.
        order: order of a query's events, where there is no time.
        weight: rating or the like.
        split: which split each row is of.
        kind: kind of event.
        score: how clear the ids are.
        remarks: why each was taken, and why columns with telling names were not; for comments.
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


@dataclass(frozen=True)
class _Id:
    """What speaks for a column as an id: its name, the tables it refers to, its values."""

    column: Column
    place: int
    who: float
    what: float
    link: Link | None

    @property
    def named(self) -> float:
        return max(self.who, self.what)

    @property
    def value(self) -> float:
        """More different values are likelier ids; missing ones less so."""
        linked = self.link.strength if self.link else 0.0
        return linked + 0.1 * math.log10(max(self.column.distinct, 1)) - self.column.missing_share

    def link_to(self, nature: str) -> float:
        """How clearly it refers to a table of that nature."""
        return self.link.strength if self.link and nature_of(self.link.table) == nature else 0.0


def find_roles(table: Table, others: Sequence[Table]) -> Roles | None:
    """Roles of the columns of a table; None if it is not one of interactions.

    Args:
        table: to be looked at.
        others: tables that its columns may refer to.
    """
    ids = list(_ids(table, others))
    pairs = [(_pair_score(q, c), q, c) for q, c in permutations(ids, 2) if _may_be_pair(q, c, table)]
    if not pairs:
        return None
    score, query, candidate = max(pairs, key=lambda pair: pair[0])
    left = [c for c in table.columns.values() if c.name not in (query.column.name, candidate.column.name)]
    return _with_others(table, query, candidate, left, score)


def why_no_interactions(table: Table) -> str:
    """What a table lacks to be one of interactions, for a message."""
    columns = ", ".join(short(name)[1:-1] for name in list(table.columns)[:12])
    lists = [column for column in table.columns.values() if _holds_several_ids(column)]
    if lists:
        [first, *_] = lists
        told = f"{first.name} holds several ids a row ({first.examples()}); write one row for each event"
    else:
        keys = [f"every row has its own {short(key)[1:-1]}" for key in _row_keys(table)][:1]
        told = keys[0] if keys else "no two columns could be the ids of queries and candidates"
    return f"{table.name} ({columns}): {told}"


def _ids(table: Table, others: Sequence[Table]) -> Iterator[_Id]:
    found = 0
    for place, column in enumerate(table.columns.values()):
        who, what = (says_who(column.name), says_what(column.name)) if table.has_header else (0.0, 0.0)
        if found == _MOST_IDS or column.distinct < 2 or not column.can_hold_ids or _is_key(column):
            continue
        known = concepts(column.name) & {"weight", "order", "kind", "time", "other_time"}
        if not (who or what) and (not column.looks_like_ids or describes(column.name) or known):
            continue
        best = max(links(column, others), key=lambda link: link.strength, default=None)
        found += 1
        yield _Id(column, place, who, what, best if best and best.strength else None)


def _is_key(column: Column) -> bool:
    """Whether every row has a value of its own: it names rows, not queries that choose more than once."""
    return len(column.values) >= _SMALL_TABLE and column.distinct == column.present


def _may_be_pair(query: _Id, candidate: _Id, table: Table) -> bool:
    if query.who < query.what or candidate.what < candidate.who:
        return query.who > 0 and candidate.what > 0
    if query.named or candidate.named or query.link or candidate.link:
        return all(each.named or each.link or _many_values(each.column) for each in (query, candidate))
    # Without names and other tables: pairs of ids, and nothing that names the rows as that of a table of entities.
    return not _row_keys(table) and all(_many_values(each.column) for each in (query, candidate))


def _row_keys(table: Table) -> list[str]:
    """Columns that name the rows; moments may be of one row each without naming it."""
    return [name for name in table.keys if not table.columns[name].moments.is_time or says_who(name) or says_what(name)]


def _many_values(column: Column) -> bool:
    return column.distinct >= 10 or column.distinct >= len(column.values) / 10


def _pair_score(query: _Id, candidate: _Id) -> float:
    score = 2 * query.who + 2 * candidate.what + query.value + candidate.value
    score -= 1.5 * (query.what > query.who) + 1.5 * (candidate.who > candidate.what)
    score += query.link_to("query") + candidate.link_to("candidate")
    score -= query.link_to("candidate") + candidate.link_to("query")
    return score + 0.05 * (query.place < candidate.place)


def _with_others(table: Table, query: _Id, candidate: _Id, left: list[Column], score: float) -> Roles:
    remarks = [_said_of(query, "query_id"), _said_of(candidate, "candidate_id")]
    time, order, told = _find_time(left, table.has_header)
    remarks += told
    left = [column for column in left if column not in (time, order)]
    split = next((column for column in left if _says_split(column)), None)
    kind = next((column for column in left if column is not split and is_kind_of_event(column)), None)
    left = [column for column in left if column not in (split, kind)]
    weight, told = _find_weight(left, table.has_header)
    return Roles(query.column, candidate.column, time, order, weight, split, kind, score, (*remarks, *told))


def _said_of(found: _Id, role: str) -> str:
    column = found.column
    reasons = []
    if (found.who if role == "query_id" else found.what) >= 0.5:
        reasons.append("by its name")
    elif found.link and nature_of(found.link.table) in ("", role.removesuffix("_id")):
        link = found.link
        reasons.append(f"{link.found:.0%} of its values are {link.key.name} of {link.table.name}")
    else:
        reasons.append(f"check: a guess from {column.distinct} different values")
    if column.kind == "float64":
        reasons.append(f"its ids are written as {column.examples()}")
    return f"took {short(column.name)[1:-1]} as {role}: {'; '.join(reasons)}"


def _find_time(left: Sequence[Column], has_header: bool) -> tuple[Column | None, Column | None, list[str]]:
    """The column of times, or else one of an order, and what is to be said of others with telling names."""
    named = {column.name: concepts(column.name) if has_header else frozenset() for column in left}
    times = [c for c in left if c.moments.is_time or (c.moments.is_possible and "time" in named[c.name])]
    times = [c for c in times if not set(words(c.name)) & _NEVER_OF_AN_EVENT and c.missing_share <= 0.5]
    times = [c for c in times if c.moments.typed or "time" in named[c.name] or not named[c.name] & {"attribute", "key"}]

    def fitness(column: Column) -> tuple[bool, bool, bool, float]:
        said = named[column.name]
        return "other_time" not in said, "time" in said, column.moments.typed, -column.missing_share

    time = max(times, key=fitness, default=None)
    remarks = [f"{c.name} holds times, too" for c in times if c is not time]
    order = None
    for column in left:
        if column is time or "time" not in named[column.name] or column in times:
            continue
        if time is None and order is None and _orders(column):
            order = column
            remarks.append(f"took {column.name} as order: {column.examples()} are no dates")
        elif "other_time" not in named[column.name]:
            remarks.append(_why_no_time(column))
    if time is None and order is None:
        order = next((c for c in left if "order" in named[c.name] and not _is_id_name(c) and _orders(c)), None)
    return time, order, remarks


def _is_id_name(column: Column) -> bool:
    return "key" in concepts(column.name)


def _orders(column: Column) -> bool:
    numbers = column.is_number and column.missing_share <= 0.01 and column.distinct > 1
    return bool(numbers and pc.all(pc.is_finite(column.numbers())).as_py())


def _why_no_time(column: Column) -> str:
    name = f"{short(column.name)[1:-1]}: left out as timestamp"
    if column.present == 0:
        return f"{name}, it has no values"
    if column.missing_share > 0.5:
        return f"{name}, {column.missing_share:.0%} of the rows have none"
    moments = column.moments
    bad = moments.bad_values if len(moments.bad_values) else column.texts()
    if len(moments.bad_values) and len(moments.bad_values) < column.present:
        return f"{name}, {moments.bad:.0%} of its values cannot be read, such as {column.examples(bad)}"
    return f"{name}, its values are no times between 1970 and 2100, such as {column.examples(bad)}"


def _says_split(column: Column) -> bool:
    if column.kind != "string" or column.missing or column.distinct > len(_SPLITS):
        return False
    values = set(pc.unique(column.texts()).to_pylist())
    return {"train", "test"} <= values <= _SPLITS


def _find_weight(left: Sequence[Column], has_header: bool) -> tuple[Column | None, list[str]]:
    remarks: list[str] = []
    for column in left:
        named = concepts(column.name) if has_header else frozenset()
        if not column.is_number or column.distinct < 2 or "attribute" in named:
            continue
        if "weight" in named:
            problem = _why_no_weight(column)
            if not problem:
                return column, remarks
            remarks.append(f"{column.name}: left out as weight, {problem}")
    unnamed = [column for column in left if not has_header or not concepts(column.name)]
    found = next((column for column in unnamed if _looks_like_ratings(column, has_header)), None)
    if found is not None:
        remarks.append(f"took {found.name} as weight: its few numbers ({found.examples()}) look like ratings")
    return found, remarks


def _why_no_weight(column: Column) -> str:
    numbers = column.numbers()
    if not pc.all(pc.is_finite(numbers)).as_py():
        return "not all of its values are numbers"
    if pc.min(numbers).as_py() < 0:
        return f"some of its values are negative, such as {pc.min(numbers).as_py():g}"
    if column.missing_share > 0.1:
        return f"{column.missing_share:.0%} of the rows have none"
    return ""


def _looks_like_ratings(column: Column, has_header: bool) -> bool:
    """Few small numbers, in wholes or halves, up to 3 at least; under a name that says nothing, a usual scale."""
    if not column.is_number or not 2 <= column.distinct <= _FEW_RATINGS or _why_no_weight(column):
        return False
    numbers = np.unique(column.numbers().to_numpy(zero_copy_only=False))
    small = 3 <= numbers.max() <= 10 and bool((numbers * 2 == np.floor(numbers * 2)).all())
    usual = len(numbers) >= 3 and numbers.max() in (5, 10) and numbers.min() in (0, 0.5, 1)
    return small and (usual or not has_header)


def _holds_several_ids(column: Column) -> bool:
    if column.kind in ("list<string>", "list<int64>"):
        return True
    if column.kind != "string" or column.distinct < 2:
        return False
    texts = pc.drop_null(column.values.cast("string")).slice(0, 1000)
    several = pc.match_substring_regex(
        texts, r"^[\[(]?'?[A-Za-z]?[0-9]+[-:\w]*'?([ ,;|]+'?[A-Za-z]?[0-9]+[-:\w]*'?)+[\])]?$"
    )
    return bool(pc.mean(several.cast("int8")).as_py() > 0.3)


def by_evidence(found: Mapping[int, Roles], tables: Sequence[Table]) -> int:
    """Position of the table that is likeliest the interactions'."""

    def fitness(place: int) -> float:
        table, roles = tables[place], found[place]
        said = concepts(table.stem)
        score = (
            roles.score + (roles.time is not None) + 0.7 * (roles.weight is not None) + 0.5 * (roles.kind is not None)
        )
        score += 0.7 * ("log" in said) - 0.7 * bool(said & {"attribute"})
        return score + 0.5 * math.log10(max(table.size, 1))

    return max(found, key=fitness)
