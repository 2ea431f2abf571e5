"""Shows JSON documents as text tables with rounded numbers."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dataplane.errors.messages import shown
from dataplane.text_tables import text_table, wrapped

_WIDTH = 110
"""Characters of a line of a table of records, if the width is not limited."""
_ROWS = 20
_ITEMS = 10
_FEW = 3
_LONGEST_CELL = 84
_CUT_OFF = "10"
"""The cut-off that tables of records show, if metrics have several."""


def json_tables(content: Any, width: int | None = None) -> list[str]:
    """Lines of a document: each mapping and each list of mappings is a table below its dotted key.

    Long lists and tables are shortened, and a line tells what was left out.

    Args:
        content: the document.
        width: characters of a line, see `text_table`; None breaks no cell.
    """
    lines: list[str] = []
    last = ""
    for key, table in _tables(_printable(content), "", width and width - 2):
        lines += [""] if lines else []
        lines += _broken(key, width) if key != last else []
        lines += [f"  {line}".rstrip() if key else line for line in table]
        last = key
    return lines


def _printable(content: Any) -> Any:
    """The document with escaped line breaks and control characters, which a terminal would obey."""
    if isinstance(content, str):
        return shown(content, sys.maxsize)
    if isinstance(content, Mapping):
        return {_printable(key): _printable(value) for key, value in content.items()}
    return [_printable(it) for it in content] if isinstance(content, list) else content


def _broken(line: str, width: int | None) -> list[str]:
    return [line] if width is None else wrapped(line, width)


def _tables(content: Any, key: str, width: int | None) -> Iterator[tuple[str, list[str]]]:
    """Keys and lines of the tables."""
    if _is_cell(content):
        yield key, _broken(_cell(content), width)
    elif isinstance(content, list):
        alike = all(isinstance(it, Mapping) for it in content)
        yield key, _records([("", it) for it in content], width) if alike else [f"{len(content):,} values"]
    else:
        cells = {name: _cell(value) for name, value in content.items() if _is_cell(value)}
        parts = {name: value for name, value in content.items() if name not in cells}
        if cells:
            yield key, _by_cut_off(cells, width) or text_table(list(cells.items()), width=width)
        if _are_alike(list(parts.values())):
            yield key, _records(list(parts.items()), width)
            return
        for name, value in parts.items():
            yield from _tables(value, f"{key}.{name}" if key else name, width)


def _are_alike(parts: Sequence[Any]) -> bool:
    """Whether there are two or more mappings that share half of their keys, or a few, with plain values."""
    if len(parts) < 2 or not all(isinstance(it, Mapping) for it in parts):
        return False
    every = set().union(*parts)
    shared = [key for key in every if all(key in it and _is_cell(it[key]) for it in parts)]
    return len(shared) >= _FEW or (len(shared) > 0 and 2 * len(shared) >= len(every))


def _by_cut_off(cells: Mapping[str, str], width: int | None) -> list[str]:
    """Metrics such as `recall@10` with a column for each cut-off; empty if the cells are something else.

    `{"recall@1": "0.1", "recall@10": "0.5", "ndcg@1": "0.1", "ndcg@10": "0.3"}` has two rows and two columns.
    """
    if not all("@" in name for name in cells):
        return []
    kinds, cut_offs = (dict.fromkeys(part) for part in zip(*(name.split("@", 1) for name in cells), strict=True))
    if len(cut_offs) < 2:
        return []
    rows = [[kind, *(cells.get(f"{kind}@{k}", "") for k in cut_offs)] for kind in kinds]
    return text_table([["", *(f"@{k}" for k in cut_offs)], *rows], right=range(1, len(cut_offs) + 1), width=width)


def _records(records: Sequence[tuple[str, Mapping[str, Any]]], width: int | None) -> list[str]:
    """A row for each record, and a column for each key with plain values; a wide table continues below."""
    first = records[:_ROWS]
    keys = dict.fromkeys(key for _, record in first for key in record)
    plain = _of_one_cut_off([key for key in keys if all(_is_cell(record.get(key)) for _, record in first)])
    columns = [["", *(name for name, _ in first)]] if any(name for name, _ in first) else []
    columns += [[key, *(_short(_cell(it[key])) if key in it else "" for _, it in first)] for key in plain]
    lines = [line for part in _parts(columns, width or _WIDTH) for line in ["", *_columns_text(part, width)]][1:]
    if len(records) > _ROWS:
        lines.append(f"… and {len(records) - _ROWS:,} more rows")
    left_out = _named([key for key in keys if key not in plain], plain)
    return [*lines, *_broken(f"not shown: {', '.join(left_out)}", width)] if left_out else lines


def _parts(columns: Sequence[Sequence[str]], width: int) -> Iterator[Sequence[Sequence[str]]]:
    """Parts of a table that fit into a line; each begins with the first column."""
    part, used = list(columns[:1]), _width(columns[0]) if columns else 0
    for column in columns[1:]:
        if len(part) > 1 and used + _width(column) > width:
            yield part
            part, used = [columns[0]], _width(columns[0])
        part.append(column)
        used += _width(column)
    yield part


def _width(column: Sequence[str]) -> int:
    return max(map(len, column)) + 2


def _columns_text(columns: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """The rows that have any value besides the first column."""
    right = [place for place, column in enumerate(columns) if column[0] and all(map(_is_number, column[1:]))]
    rows = list(zip(*columns, strict=True))
    return text_table([row for row in rows if any(row[1:]) or len(row) == 1], right=right, width=width)


def _of_one_cut_off(keys: Sequence[str]) -> list[str]:
    """Leaves one cut-off of metrics such as `recall@10`: 10, or the first one."""
    cut_offs = [key.partition("@")[2] for key in keys if "@" in key]
    chosen = _CUT_OFF if _CUT_OFF in cut_offs else next(iter(cut_offs), "")
    return [key for key in keys if key.partition("@")[2] in ("", chosen)]


def _named(keys: Sequence[str], shown: Sequence[str]) -> list[str]:
    """Names of keys; further cut-offs of metrics that are shown are named once, such as `@5`."""
    kinds = {key.partition("@")[0] for key in shown if "@" in key}
    return list(dict.fromkeys(f"@{key.partition('@')[2]}" if key.partition("@")[0] in kinds else key for key in keys))


def _is_cell(value: Any) -> bool:
    """Whether a value fits into a cell: a scalar, a list of scalars, or an empty mapping."""
    if isinstance(value, list):
        return not any(isinstance(it, Mapping | list) for it in value)
    return not isinstance(value, Mapping) or not value


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return _list(value)
    if value is None or value == {}:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _number(value) if isinstance(value, float) else str(value)


def _list(values: Sequence[Any]) -> str:
    """The first items; two fractions in ascending order are an interval."""
    if len(values) == 2 and all(isinstance(it, float) for it in values) and values[0] <= values[1]:
        return f"{_number(values[0])} … {_number(values[1])}"
    more = len(values) - _ITEMS
    return ", ".join(map(_cell, values[:_ITEMS])) + (f", … and {more:,} more" if more > 0 else "") or "–"


def _number(value: float) -> str:
    """Four decimals below 10, otherwise four significant digits; whole numbers without decimals."""
    if value.is_integer() and abs(value) < 1e15:
        return f"{value:.0f}"
    if 0.001 <= abs(value) < 10:
        return f"{value:.4f}"
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"


def _is_number(cell: str) -> bool:
    return cell in ("", "–") or (cell.lstrip("-")[:1].isdigit() and " " not in cell)


def _short(cell: str) -> str:
    return cell if len(cell) <= _LONGEST_CELL else f"{cell[: _LONGEST_CELL - 1]}…"
