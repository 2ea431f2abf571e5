"""The report of a benchmark: options, goals, rows, the printed table and the JSON file.

Every benchmark writes the same JSON: `{"goals": [{"goal", "value", "met"}, …], "rows": [{…}, …]}`. A goal that a run
does not measure is left out.
"""

import argparse
import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

_WIDEST = 1_000  # a table in a file is not wrapped


class Record(BaseModel):
    """A frozen document with known fields: a task, a result or a row."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Goal(Record):
    """What a benchmark has to show.

    Attributes:
        goal: the claim, in words.
        value: the measurement.
        met: whether the measurement supports the claim.
    """

    goal: str
    value: float
    met: bool

    @staticmethod
    def at_most(goal: str, value: float, limit: float) -> "Goal":
        """A goal that is met up to a limit."""
        return Goal(goal=goal, value=value, met=value <= limit)

    @staticmethod
    def at_least(goal: str, value: float, limit: float) -> "Goal":
        """A goal that is met from a limit on."""
        return Goal(goal=goal, value=value, met=value >= limit)


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """Options that all benchmarks have: `--quick` and `--json`.

    Args:
        name: the benchmark's package below `benchmarks`.
        description: what the benchmark does, with its line breaks.
    """
    options = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    options.add_argument("--quick", action="store_true", help="small sizes: shows that it runs, not how fast it is")
    options.add_argument("--json", type=Path, metavar="FILE", help="also write goals and rows to this file")
    return options


def finish(file: Path | None, *, rows: Sequence[Record], goals: Sequence[Goal]) -> int:
    """Prints rows and goals and writes them to `file`, if there is one.

    Returns:
        The exit code: 1 if a goal is missed.
    """
    for _, alike in groupby(rows, type):
        print_table(list(alike))
        print()
    for goal in goals:
        print(f"{'met' if goal.met else 'MISSED':>8}  {goal.goal}: {goal.value:.4g}", flush=True)
    if file is not None:
        content = {"goals": [goal.model_dump() for goal in goals], "rows": [_fields(row) for row in rows]}
        file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return int(not all(goal.met for goal in goals))


def print_table(rows: Sequence[Record]) -> None:
    """Prints rows of one kind below the names of their fields; numbers to the right."""
    fields = [_fields(row) for row in rows]
    table = Table(box=None, pad_edge=False)
    for name in dict.fromkeys(name for row in fields for name in row):
        is_number = any(isinstance(row.get(name), int | float) for row in fields)
        table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    for row in fields:
        table.add_row(*(_cell(row.get(str(column.header))) for column in table.columns))
    Console(width=_WIDEST, highlight=False, markup=False).print(table)


def _fields(row: Record) -> dict[str, object]:
    """The fields of a row that have a value, as JSON has them."""
    return row.model_dump(mode="json", exclude_none=True)


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value)
        case float():
            return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
        case int():
            return f"{value:,}"
        case dict():
            return " ".join(f"{name}={_cell(item)}" for name, item in value.items())
        case _:
            return str(value)
