"""What a request may ask of the candidates' attributes, and the names of the inputs that say so."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from models.spec.strict import Strict

FilterKind: TypeAlias = Literal["any_of", "all_of", "none_of", "equals", "range"]
AttributeName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]
RECOMMEND_WHERE, SIMILAR_WHERE, RECOMMEND_KNOWN_WHERE = "recommend_where", "similar_where", "recommend_known_where"
"""Signatures that select among the candidates by their attributes."""
WHERE = "where_"
"""Start of the names of the inputs that filter."""
MMR_LAMBDA = "mmr_lambda"
"""Input: weight of the relevance against the diversity of an answer."""


class Filter(Strict):
    """A constraint on a column of the candidate table that requests may state."""

    kind: FilterKind
    """`any_of`: a candidate has one of the given values. `all_of`: it has all of them. `none_of`: it has none of them.
    `equals`: it has exactly the given value. `range`: its number or moment lies between two given ones, both
    included."""
    column: str | None = None
    """Column of the candidate table; defaults to the filter's name."""


def filter_inputs(name: str, kind: FilterKind) -> tuple[str, ...]:
    """Names of the inputs of a filter: `where_NAME`, or `where_NAME_min` and `where_NAME_max`."""
    return (f"{WHERE}{name}_min", f"{WHERE}{name}_max") if kind == "range" else (f"{WHERE}{name}",)


def renamed_columns(filters: Mapping[str, Filter]) -> dict[str, str]:
    """The column of each filter whose column has another name."""
    return {name: it.column for name, it in filters.items() if it.column is not None and it.column != name}


def max_per_input(name: str) -> str:
    """Name of the input that limits the candidates per value of an attribute."""
    return f"max_per_{name}"


def attribute_problem(kind: str, column_type: str) -> str | None:
    """Why a filter of a kind cannot read a column; None if it can.

    Args:
        kind: kind of the filter.
        column_type: name of the column's type, such as `int64` or `list<string>`; `null` has no values.
    """
    is_list = column_type.startswith("list<")
    if kind == "range":
        fits, allowed = column_type in ("int64", "float64", "timestamp", "null"), "numbers or timestamps"
    elif kind == "equals":
        fits, allowed = (
            column_type in ("string", "int64", "float64", "bool", "null"),
            "single values, no lists or times",
        )
    else:
        fits = is_list or column_type in ("string", "int64", "float64", "bool", "null")
        allowed = "values or lists of values, no times"
    return None if fits else f"is {column_type}; {kind} needs {allowed}"
