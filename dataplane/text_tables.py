"""Tables for people, and for grep: plain text in aligned columns, the same on a terminal, in a pipe and in a log."""

import io
from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest

_GAP = 2
_FURTHER_INDENT = 4
_LEAST_ROOM = 40
"""Characters that the last column needs beside the others; otherwise it stands below them."""


def text_table(
    rows: Sequence[Sequence[str]], *, right: Collection[int] = (), indent: int = 0, width: int | None = None
) -> list[str]:
    """Lines of a table.

    Args:
        rows: their cells, as many in each.
        right: numbers of the columns that are aligned at their right, as counts are.
        indent: spaces before each line.
        width: characters of a line. A row of a wider table continues on lines that are indented further, long cells
            break between words, and a word that is longer than its line loses its middle. None breaks nothing.
    """
    if not rows:
        return []
    widths = _widths(rows)
    if width is None or indent + sum(widths) + _GAP * (len(widths) - 1) <= width:
        return _grid(rows, widths, right, indent)
    groups = list(_groups(widths, width - indent))
    parts = [_part(rows, columns, right, indent) for columns in groups]
    return [
        f"{' ' * (_FURTHER_INDENT if place else 0)}{line}"
        for lines in zip(*parts, strict=True)
        for place, of_part in enumerate(lines)
        for line in of_part
        if line or not place
    ]


def shortened_middle(text: str, width: int) -> str:
    """Takes the middle out of a text, such as a path, that is wider than `width` columns."""
    from rich.cells import cell_len, chop_cells

    if cell_len(text) <= width:
        return text
    head = chop_cells(text, max(1, width // 2))[0]
    tail = chop_cells(text[::-1], max(1, width - width // 2 - 1))[0][::-1]
    return f"{head}…{tail}"


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns, broken between words; a word that is wider loses its middle."""
    from rich.cells import cell_len

    lines: list[str] = [""]
    for word in (shortened_middle(word, width) for word in text.split(" ")):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    from rich.cells import cell_len  # here, because most commands print no table and are to start fast

    return [max(map(cell_len, column)) for column in zip(*rows, strict=True)]


def _grid(rows: Sequence[Sequence[str]], widths: Sequence[int], right: Collection[int], indent: int) -> list[str]:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, _GAP, 0, 0))
    for number in range(len(rows[0])):
        table.add_column(justify="right" if number in right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    printed = io.StringIO()
    Console(file=printed, width=sum(widths) + _GAP * len(widths), color_system=None).print(table)
    return [f"{' ' * indent}{line}".rstrip() for line in printed.getvalue().removesuffix("\n").split("\n")]


def _groups(widths: Sequence[int], room: int) -> Iterator[dict[int, int]]:
    """Columns, with their widths, that stand on a line together."""
    group: dict[int, int] = {}
    left = room
    for column, width in enumerate(widths):
        if group and left < width and not (column == len(widths) - 1 and left >= _LEAST_ROOM):
            yield group
            group, left = {}, room - _FURTHER_INDENT
        group[column] = max(1, min(width, left))
        left -= group[column] + _GAP
    yield group


def _part(
    rows: Sequence[Sequence[str]], columns: dict[int, int], right: Collection[int], indent: int
) -> list[list[str]]:
    """For each row, the lines with some of its columns."""
    numbers = [place for place, column in enumerate(columns) if column in right]
    parts = []
    for row in rows:
        cells = [_cell_lines(row[column], width) for column, width in columns.items()]
        parts.append(list(zip_longest(*cells, fillvalue="")))
    lines = iter(_grid([line for part in parts for line in part], list(columns.values()), numbers, indent))
    return [[next(lines) for _ in part] for part in parts]


def _cell_lines(cell: str, width: int) -> list[str]:
    return [line for whole in cell.split("\n") for line in wrapped(whole, width)]
