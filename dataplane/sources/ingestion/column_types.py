"""Column types of examples: guesses from text, merges over files, and casts.

Types have names, so that they fit in JSON: `string`, `int64`, `float64`, `bool`, `timestamp`, `list<string>`,
`list<int64>`, `list<float64>`, and `null` for a column without a value.
"""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from dataplane.sources.ingestion.missing_texts import is_marker
from dataplane.sources.ingestion.moment_texts import (
    FIRST,
    LAST,
    TIMESTAMP,
    in_calendar,
    looks_like_moments,
    parse_moments,
)
from dataplane.sources.ingestion.number_texts import (
    are_integers,
    hold_codes,
    kind_of_numbers,
    look_like_numbers,
    parse_numbers,
)
from dataplane.sources.value_config import ColumnKind

UNSUPPORTED = "unsupported"

_ARROW = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": TIMESTAMP,
}
_A_FEW = 1000
_LONGEST_TYPE = 58
_FLAG = r"^([tT]rue|TRUE|[fF]alse|FALSE)$"
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def name_of(kind: pa.DataType) -> str:
    """Column type of an Arrow type; `unsupported` for structs, maps, times of day and nested lists."""
    if pa.types.is_dictionary(kind):
        return name_of(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = name_of(kind.value_type)
        inner = {"null": "string", "bool": "int64"}.get(inner, inner)
        return f"list<{inner}>" if inner in ("string", "int64", "float64") else UNSUPPORTED
    for name, tests in _TESTS.items():
        if any(test(kind) for test in tests):
            return name
    return UNSUPPORTED


_TESTS = {
    "null": (pa.types.is_null,),
    "bool": (pa.types.is_boolean,),
    "int64": (pa.types.is_integer,),
    "float64": (pa.types.is_floating, pa.types.is_decimal),
    "timestamp": (pa.types.is_timestamp, pa.types.is_date),
    "string": (
        pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary,
        pa.types.is_fixed_size_binary, lambda kind: kind in (pa.string_view(), pa.binary_view()),
    ),
}  # fmt: skip


def arrow_type(name: str) -> pa.DataType:
    """Arrow type of a column type; `null` becomes `string`."""
    if name.startswith("list<"):
        return pa.list_(_ARROW[name[5:-1]])
    return _ARROW["string" if name == "null" else name]


def described(kind: pa.DataType) -> str:
    """Column type of an Arrow type, or the text of the Arrow type if it is unsupported, for messages."""
    name = name_of(kind)
    if name != UNSUPPORTED:
        return name
    text = str(kind)
    return ("nested " if text.startswith("list<") else "") + (text if len(text) <= _LONGEST_TYPE else text[:57] + "…")


def merged(names: Iterable[str]) -> str:
    """Narrowest type that holds the values of all types in `names`, in whatever order they come."""
    seen = {name if name in _ARROW or name.startswith("list<") else UNSUPPORTED for name in set(names) - {"null"}}
    if len(seen) <= 1:
        return next(iter(seen), "null")
    if seen == {"int64", "float64"}:
        return "float64"
    lists = {name for name in seen if name.startswith("list<")}
    if UNSUPPORTED in seen or (lists and lists != seen):
        return UNSUPPORTED
    return f"list<{merged(name[5:-1] for name in lists)}>" if lists else "string"


def type_of_text(values: pa.StringArray) -> str:
    """Type that all texts fit: `int64`, `float64`, `bool`, `timestamp`, else `string`.

    Markers of missing values (`missing_texts.MARKERS`) among numbers, flags or timestamps do not make a column text.
    """
    values = values.drop_null()
    first = values.slice(0, _A_FEW)
    if _type_of_all(first.filter(pc.invert(is_marker(first)))) == "string":  # the other values cannot change this
        return "string"
    name = _type_of_all(values)
    if name != "string":
        return name
    rest = values.filter(pc.invert(is_marker(values)))
    return _type_of_all(rest) if 0 < len(rest) < len(values) else "string"


def _type_of_all(values: pa.StringArray) -> str:
    if len(values) == 0:
        return "null"
    if are_integers(values):
        return "int64"
    if pc.all(pc.match_substring_regex(values, _FLAG)).as_py():
        return "bool"
    if pc.all(looks_like_moments(values)).as_py():
        return "timestamp" if parse_moments(values)[1].null_count == 0 else "string"
    return "float64" if pc.all(look_like_numbers(values)).as_py() and not hold_codes(values) else "string"


def type_of_declared(values: pa.StringArray, kind: ColumnKind) -> str:
    """Type of the texts that fit the declared kind, `number` or `time`; `null` if none fits.

    Times may be numbers, which count seconds since 1970.
    """
    if kind == "time":
        moments = parse_moments(values)[1]
        if moments.null_count < len(moments):
            return "timestamp"
    return kind_of_numbers(values)


def cast(values: pa.Array, name: str) -> pa.Array:
    """Casts a column to a type that `merged` found. Texts that mark missing values become null.

    Raises:
        pyarrow.ArrowInvalid: a value does not fit, such as bytes that are not UTF-8.
    """
    target = arrow_type(name)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if is_text(values.type):
        return _cast_text(values.cast(pa.string()), name, target)
    if name == "string" and pa.types.is_floating(values.type):
        return pa.array([None if value is None else repr(value) for value in values.to_pylist()], target)
    return typed_moments(values) if name == "timestamp" else values.cast(target)


def _cast_text(values: pa.StringArray, name: str, target: pa.DataType) -> pa.Array:
    if name == "timestamp":
        return parse_moments(values)[1]
    if (
        name.startswith("list<") and pc.all(is_marker(values.drop_null()), min_count=0).as_py()
    ):  # a column without any value
        return pa.nulls(len(values), target)
    try:
        return values.cast(target)
    except pa.ArrowInvalid:
        if name == "float64":
            return parse_numbers(values)[1]
        if name not in ("int64", "bool"):
            raise
        return pc.if_else(is_marker(values), None, values).cast(target)


def typed_moments(values: pa.Array) -> pa.Array:
    """Timestamps and dates as `timestamp[us, UTC]`, null where the year lies outside 1 to 9999."""
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("s" if values.type == pa.date32() else "ms"))
    per_second = _PER_SECOND[values.type.unit]
    if per_second < 1_000_000:  # the cast would overflow
        whole = values.cast(pa.int64())
        first, last = FIRST // 1_000_000 * per_second, LAST * per_second // 1_000_000
        values = pc.if_else(pc.and_(pc.greater_equal(whole, first), pc.less_equal(whole, last)), values, None)
    if values.type.tz is None:
        return in_calendar(values.cast(pa.timestamp("us"), safe=False).cast(TIMESTAMP))
    return in_calendar(values.cast(TIMESTAMP, safe=False))


def is_text(kind: pa.DataType) -> bool:
    """Whether values of an Arrow type are text."""
    return name_of(kind) == "string"
