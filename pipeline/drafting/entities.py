"""Finds the tables that describe the queries and the candidates, and explains why others are not used."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeAlias

from pipeline.drafting.guesses import guess_feature
from pipeline.drafting.links import Link, links, nature_of
from pipeline.drafting.long_form import LongForm, find_long_form
from pipeline.drafting.names import concepts, says_what, says_who
from pipeline.drafting.profile import Column, short
from pipeline.drafting.roles import Roles
from pipeline.drafting.tables import Table

Side: TypeAlias = Literal["queries", "candidates"]

_NATURE: Mapping[Side, str] = {"queries": "query", "candidates": "candidate"}
_CERTAIN = 0.5
_SECTION = "docs/data.md, Files that the draft does not use"


@dataclass(frozen=True)
class Entities:
    """The role of each table besides the interactions.

    Attributes:
        found: the link by which a table describes the queries or the candidates.
        long_forms: tables in long form that could describe a side without a table.
        remarks: explanations of why tables are not used, for comments.
    """

    found: Mapping[Side, Link]
    long_forms: tuple[LongForm, ...]
    remarks: tuple[str, ...]


def find_entities(roles: Roles, tables: Sequence[Table]) -> Entities:
    """Finds the tables that best describe queries and candidates, each at most once.

    Args:
        roles: roles of the interactions' columns.
        tables: all other tables.
    """
    columns: Mapping[Side, Column] = {"queries": roles.query, "candidates": roles.candidate}
    every = {side: links(column, tables) for side, column in columns.items()}
    usable: dict[Side, list[Link | None]] = {
        side: [None, *(link for link in every[side] if _joins(link, side))] for side in columns
    }
    pairs = product(usable["queries"], usable["candidates"])
    apart = [pair for pair in pairs if pair[0] is None or pair[1] is None or pair[0].table is not pair[1].table]
    best = max(apart, key=lambda pair: _worth(pair[0], "queries") + _worth(pair[1], "candidates"))
    sides: tuple[Side, Side] = ("queries", "candidates")
    found = {side: link for side, link in zip(sides, best, strict=True) if link is not None}
    used = [link.table for link in found.values()]
    unused = [table for table in tables if not any(table is other for other in used)]
    joins = [_needs_join(link, roles) for link in every["queries"]]
    long_forms = tuple(form for table in unused if (form := find_long_form(table, roles)) and form.side not in found)
    remarks = [*filter(None, joins), *_remarks(unused, columns, every, roles, found, long_forms)]
    return Entities(found, long_forms, tuple(remarks))


def _joins(link: Link, side: Side) -> bool:
    """Whether enough ids match, and neither the names nor chance speak against the link."""
    nature = nature_of(link.table)
    if not _meets(link) or (nature not in ("", _NATURE[side]) and not link.same_name):
        return False
    return link.same_name or nature == _NATURE[side] or (link.found >= _CERTAIN and link.strength > 0)


def _meets(link: Link) -> bool:
    """Whether enough ids are equal and no more differ only in spelling, which a run would refuse."""
    return link.holds and (link.found > _CERTAIN or link.found_ids >= link.spelling.ids)


def _worth(link: Link | None, side: Side) -> float:
    if link is None:
        return 0.0
    features = sum(bool(guess_feature(column).settings) for column in link.table.columns.values())
    return 0.1 + link.fitness[0] + 0.3 * (nature_of(link.table) == _NATURE[side]) + 0.001 * min(features, 50)


def _remarks(
    unused: Sequence[Table], columns: Mapping[Side, Column], every: Mapping[Side, Sequence[Link]], roles: Roles,
    found: Mapping[Side, Link], long_forms: Sequence[LongForm],
) -> Iterator[str]:  # fmt: skip
    for table in unused:
        of_table = [(side, link) for side in columns for link in every[side] if link.table is table]
        reason = (
            _why_disjoint(of_table, columns)
            or ("it has one property per row, see below" if any(table is form.table for form in long_forms) else "")
            or _also_describes(of_table, found)
            or _also_interactions(table, roles)
            or "its columns match no id of the interactions"
        )
        yield f"not used: {table.name}; {reason}"


def _why_disjoint(of_table: Sequence[tuple[Side, Link]], columns: Mapping[Side, Column]) -> str:
    for side, link in sorted(of_table, key=lambda pair: not pair[1].same_name):
        if any(_meets(other) for other_side, other in of_table if other_side == side):
            continue
        similar = link.same_name or (nature_of(link.table) == _NATURE[side] and _could_be_its_id(link.key.name, side))
        if similar:
            ids, spelling = columns[side], link.spelling
            spelling_note = f"; {spelling.ids} differ only in {spelling.differences}" if spelling.ids else ""
            return (
                f"its {link.key.name} has only {link.found_ids} of the {link.ids} sampled {ids.name}: {ids.examples()} "
                f"there, {link.key.examples()} here{spelling_note}; spell the ids alike to join it as {side}"
            )
    return ""


def _could_be_its_id(name: str, side: Side) -> bool:
    said = says_who(name) if side == "queries" else says_what(name)
    return said > 0 or concepts(name) == {"key"}


def _needs_join(link: Link, roles: Roles) -> str:
    """Explains that the actual users are named in another table, such as the customers of orders."""
    query = roles.query.name
    better = [c.name for c in link.table.columns.values() if says_who(c.name) > _CERTAIN and c.name != link.key.name]
    if says_who(query) > _CERTAIN or not better or not link.holds or not link.same_name:
        return ""
    who = short(better[0])[1:-1]
    return (
        f"each {query} is its own query here; {who} is in {link.table.name}. To recommend to each {who} instead, join "
        f"the two tables by {query} first (this pipeline does not join tables) and use {who} as query_id"
    )


def _also_describes(of_table: Sequence[tuple[Side, Link]], found: Mapping[Side, Link]) -> str:
    side, link = next(((side, link) for side, link in of_table if _joins(link, side)), (None, None))
    if side is None or link is None:
        return ""
    used = found[side].table.name if side in found else "the table"
    return (
        f"it could also describe the {side}, but only one table can. To use its columns, add them to {used}, row by "
        f"row where {link.key.name} is equal ({_SECTION})"
    )


def _also_interactions(table: Table, roles: Roles) -> str:
    both = {roles.query.name, roles.candidate.name} <= table.columns.keys()
    return (
        f"it also has {roles.query.name} and {roles.candidate.name}, but only one table can be the interactions. To "
        f"use its rows as events, name it in `interactions`, or append them to the file there ({_SECTION})"
        if both
        else ""
    )
