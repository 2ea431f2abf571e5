"""Tables for people, and for grep: plain text in aligned columns, the same on a terminal, in a pipe and in a log."""

import io
from collections.abc import Collection, Sequence

_GAP = 2


def text_table(rows: Sequence[Sequence[str]], *, right: Collection[int] = (), indent: int = 0) -> list[str]:
    """Lines of a table; nothing is cut or wrapped, whatever the width of the terminal.

    Args:
        rows: their cells, as many in each.
        right: numbers of the columns that are aligned at their right, as counts are.
        indent: spaces before each line.
    """
    from rich.cells import cell_len  # here, because most commands print no table and are to start fast
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return []
    table = Table.grid(padding=(0, _GAP, 0, 0))
    for number in range(len(rows[0])):
        table.add_column(justify="right" if number in right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    width = sum(max(map(cell_len, column)) + _GAP for column in zip(*rows, strict=True))
    printed = io.StringIO()
    Console(file=printed, width=width, color_system=None).print(table)
    return [f"{' ' * indent}{line}".rstrip() for line in printed.getvalue().splitlines()]
