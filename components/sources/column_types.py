"""The few column types examples have, how types seen in different files are reconciled, and the casts.

Types are named by text so that they fit in JSON: `string`, `int64`, `float64`, `bool`, `timestamp`,
`list<string>`, `list<int64>`, `list<float64>`, and `null` for a column without a value.
"""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

TIMESTAMP = pa.timestamp("us", tz="UTC")
UNSUPPORTED = "unsupported"

_ARROW = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": TIMESTAMP,
}
_INTEGER = r"^-?(0|[1-9][0-9]{0,17})$"  # no leading zero: "007" is a name, not a number
_NUMBER = r"^-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
_NOT_FINITE = r"^[+-]?([nN][aA][nN]|[iI]nf(inity)?)$"
_FLAG = r"^([tT]rue|TRUE|[fF]alse|FALSE)$"
_MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$"
_ZONE = r"(Z|[+-][0-9]{2}:?[0-9]{2})$"
_CODE = r"^-?(0[0-9]|[0-9]{19,}$)"  # a float would lose digits


def name_of(kind: pa.DataType) -> str:
    """Name of the column type an Arrow type becomes; `unsupported` for structs, maps, times, nested lists."""
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
    """Arrow type of a named column type; a column without a value is one of strings."""
    if name.startswith("list<"):
        return pa.list_(_ARROW[name[5:-1]])
    return _ARROW["string" if name == "null" else name]


def merged(names: Iterable[str]) -> str:
    """The narrowest type that holds values of all `names`; independent of their order."""
    seen = set(names) - {"null"}
    if len(seen) <= 1:
        return next(iter(seen), "null")
    if seen == {"int64", "float64"}:
        return "float64"
    lists = {name for name in seen if name.startswith("list<")}
    if UNSUPPORTED in seen or (lists and lists != seen):
        return UNSUPPORTED
    return f"list<{merged(name[5:-1] for name in lists)}>" if lists else "string"


def type_of_text(values: pa.StringArray) -> str:
    """What texts look like all together: `int64`, `float64`, `bool`, `timestamp`, else `string`."""
    values = values.drop_null()
    if len(values) == 0:
        return "null"
    for name, pattern in (("int64", _INTEGER), ("bool", _FLAG), ("timestamp", _MOMENT)):
        if pc.all(pc.match_substring_regex(values, pattern)).as_py():
            return name if name != "timestamp" or parse_moments(values)[1].null_count == 0 else "string"
    numbers = pc.or_(pc.match_substring_regex(values, _NUMBER), pc.match_substring_regex(values, _NOT_FINITE))
    if pc.all(numbers).as_py() and not pc.any(pc.match_substring_regex(values, _CODE)).as_py():
        return "float64"
    return "string"


def cast(values: pa.Array, name: str) -> pa.Array:
    """Casts a column to a type that `merged` found wide enough for it.

    Raises:
        pyarrow.ArrowInvalid: the values do not fit after all, such as bytes that are not UTF-8.
    """
    target = arrow_type(name)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if name == "timestamp" and _is_text(values.type):
        return parse_moments(values.cast(pa.string()))[1]
    if name == "string" and pa.types.is_floating(values.type):
        return pa.array([None if value is None else repr(value) for value in values.to_pylist()], target)
    if name == "timestamp" and pa.types.is_timestamp(values.type) and values.type.tz is None:
        return values.cast(pa.timestamp("us"), safe=False).cast(TIMESTAMP)
    if name == "timestamp":
        return values.cast(TIMESTAMP, safe=False)
    return values.cast(target)


def parse_numbers(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Numbers out of texts or numbers.

    Returns:
        Which values are missing (bool), and float64 values, null where missing or not a number.
    """
    missing = values.is_null()
    if not _is_text(values.type):
        return missing, values.cast(pa.float64(), safe=False)
    text = values.cast(pa.string())
    valid = pc.or_(pc.match_substring_regex(text, _NUMBER), pc.match_substring_regex(text, _NOT_FINITE))
    return missing, pc.if_else(valid, text, None).cast(pa.float64())


def parse_moments(values: pa.StringArray) -> tuple[pa.Array, pa.Array]:
    """Moments out of ISO 8601 texts; without a zone they are UTC.

    Returns:
        Which values are missing (bool), and `timestamp[us, UTC]` values, null where missing or unreadable.
    """
    missing = values.is_null()
    shaped = pc.if_else(pc.match_substring_regex(values, _MOMENT), values, None)
    # Arrow reads ten-character dates and dates with a time; only the latter may have a zone.
    zoned = pc.and_(pc.match_substring_regex(shaped, _ZONE), pc.greater(pc.utf8_length(shaped), 10))
    with_zone = pc.if_else(zoned, shaped, None)
    without_zone = pc.if_else(zoned, None, shaped)
    local = _cast_or_null(without_zone, pa.timestamp("us")).cast(TIMESTAMP)
    return missing, pc.coalesce(_cast_or_null(with_zone, TIMESTAMP), local)


def _cast_or_null(values: pa.StringArray, target: pa.DataType) -> pa.Array:
    try:
        return values.cast(target)
    except pa.ArrowInvalid:  # a date such as February 31st somewhere
        encoded = values.dictionary_encode()
        distinct = [_one_or_null(value, target) for value in encoded.dictionary]
        return pa.array(distinct, target).take(encoded.indices)


def _one_or_null(value: pa.Scalar, target: pa.DataType) -> pa.Scalar | None:
    try:
        return value.cast(target)
    except pa.ArrowInvalid:
        return None


def _is_text(kind: pa.DataType) -> bool:
    return name_of(kind) == "string"
