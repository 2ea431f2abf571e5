"""Tables of the page on benchmarks, from the files that the benchmarks write with `--json`.

`results.yaml` lists the tables: the file, the command and the day that it comes from, and which fields to show. The
page has a place for each, between `<!-- table: NAME -->` and `<!-- end -->`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

_PLACE = re.compile(r"(<!-- table: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

Row = Mapping[str, Any]


class Column(BaseModel):
    """A column: a field of the row that has certain values in other fields."""

    model_config = ConfigDict(extra="forbid")

    title: str
    field: str
    where: dict[str, Any] = {}
    format: str = ""


class Table(BaseModel):
    """A table of one result file.

    Attributes:
        rows: field whose values are the rows.
        names: what is shown for these values.
        where: only rows with these values.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    file: str
    command: str
    date: date
    machine: str
    rows: str
    names: dict[str, str] = {}
    where: dict[str, Any] = {}
    columns: list[Column]


def read_tables(directory: Path) -> list[Table]:
    """The tables that `results.yaml` lists."""
    listed = yaml.safe_load((directory / "results.yaml").read_text(encoding="utf-8"))
    return [Table.model_validate(table) for table in listed]


def fill_tables(page: str, directory: Path) -> str:
    """The page with its tables made anew from the results in `directory`."""
    tables = {table.name: table for table in read_tables(directory)}

    def filled(place: re.Match[str]) -> str:
        return place[1] + "\n".join(_lines(tables[place["name"]], directory)) + "\n" + place[3]

    return _PLACE.sub(filled, page)


def _lines(table: Table, directory: Path) -> Iterator[str]:
    content = json.loads((directory / table.file).read_text(encoding="utf-8"))
    groups: dict[str, list[Row]] = {}
    for row in content["rows"]:
        if _has(row, table.where):
            groups.setdefault(row[table.rows], []).append(row)
    yield "| |" + "".join(f" {column.title} |" for column in table.columns)
    yield "|---|" + "---:|" * len(table.columns)
    for name, rows in groups.items():
        cells = [_cell(column, rows) for column in table.columns]
        yield f"| {table.names.get(name, name)} |" + "".join(f" {cell} |" for cell in cells)
    yield ""
    yield f"*{table.date:%d %B %Y}, {table.machine}: `{table.command}`*"


def _cell(column: Column, rows: list[Row]) -> str:
    for row in rows:
        if column.field in row and _has(row, column.where):
            return format(row[column.field], column.format)
    return ""


def _has(row: Row, values: Row) -> bool:
    return all(row.get(name) == value for name, value in values.items())
