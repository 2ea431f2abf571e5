"""Finds titles and categories of candidates in the candidate table."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from dataplane.artifacts import Artifact
from dataplane.artifacts.answers import Answers
from dataplane.artifacts.statistics import ColumnReport, StatisticsReport
from dataplane.errors import PipelineError
from dataplane.shards import shards_of
from models.spec.features import CANDIDATE_ID

_TITLES = ("title", "name", "label", "headline")
_CATEGORIES = ("category", "genre", "department", "brand", "type", "class")
_MOST_CATEGORIES = 60
_LONGEST = 120


@dataclass(frozen=True)
class Titles:
    """Titles and categories by candidate id.

    Attributes:
        title_column: column of the titles; "" without titles.
        category_column: column of the categories; "" without categories.
        titles: titles by candidate id.
        categories: first category by candidate id.
    """

    title_column: str = ""
    category_column: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)

    def of(self, candidate_id: str) -> str:
        """Title of a candidate, or its id if it has no title."""
        return self.titles.get(candidate_id) or candidate_id


def read_titles(
    examples: Artifact | None, statistics: StatisticsReport | None, answers: Answers | None, display: str | None = None
) -> Titles:
    """Reads the titles and categories of the candidates in `answers`.

    Args:
        examples: has the candidate table.
        statistics: has the types of the columns and their numbers of distinct values.
        answers: names the candidates.
        display: column of the titles; guessed if None or missing.
    """
    table = statistics.root.get("candidates") if statistics else None
    if examples is None or table is None or answers is None:
        return Titles()
    columns = {name: column for name, column in table.columns.items() if name != CANDIDATE_ID}
    title = _title_column([name for name, it in columns.items() if it.type == "string"], columns, display)
    category = _category_column({name: column for name, column in columns.items() if name != title})
    candidates = _table(examples.path / "candidates")
    wanted = [name for name in dict.fromkeys((title, category)) if name]
    if candidates is None or not wanted:
        return Titles()
    rows = _rows(candidates, wanted, _named(answers))
    ids = rows[CANDIDATE_ID].to_pylist()
    return Titles(
        title_column=title,
        category_column=category,
        titles=dict(zip(ids, _texts(rows, title), strict=True)) if title else {},
        categories=dict(zip(ids, _texts(rows, category), strict=True)) if category else {},
    )


def titles_of(candidates: Path, ids: Collection[str], display: str | None = None) -> dict[str, str]:
    """Titles by candidate id; candidates without a title are left out.

    Args:
        candidates: directory of the ingested candidate table.
        ids: ids of the candidates.
        display: column of the titles; guessed if None or missing.
    """
    table = _table(candidates)
    if table is None:
        return {}
    texts = [it.name for it in table.schema if pa.types.is_string(it.type) or pa.types.is_large_string(it.type)]
    title = _title_column([name for name in texts if name != CANDIDATE_ID], table.schema.names, display)
    rows = _rows(table, [title] if title else [], ids)
    found = zip(rows[CANDIDATE_ID].to_pylist(), _texts(rows, title), strict=True)
    return {name: text for name, text in found if text}


def titles_if_any(find: Callable[[], Path], ids: Collection[str], display: str | None = None) -> dict[str, str]:
    """As `titles_of`, but empty if the table or its records are damaged or missing, because answers need no titles.

    Args:
        find: finds the candidate table.
        ids: ids of the candidates.
        display: column of the titles; guessed if None or missing.
    """
    try:
        return titles_of(find(), ids, display)
    except (PipelineError, OSError, pa.ArrowException):
        return {}


def _table(directory: Path) -> ds.Dataset | None:
    """The ingested candidate table; None without files."""
    files = shards_of(directory)
    return ds.dataset([str(file) for file in files], format="parquet") if files else None


def _title_column(texts: Sequence[str], columns: Collection[str], display: str | None) -> str:
    """Column of the titles.

    Args:
        texts: names of the string columns.
        columns: names of all columns.
        display: the configured column.

    Returns:
        `display` if it exists; otherwise a string column with a name such as `title`, or with a name that contains
        such a word; "" without one.
    """
    if display is not None and display in columns:
        return display
    for wanted in _TITLES:
        equal = [name for name in texts if name.lower() == wanted]
        alike = [name for name in texts if wanted in name.lower()]
        if found := [*equal, *alike]:
            return found[0]
    return ""


def _category_column(columns: Mapping[str, ColumnReport]) -> str:
    """Column of few values with a name such as `category`, otherwise the one with the fewest; "" without one."""
    few = {
        name: column.distinct
        for name, column in columns.items()
        if column.type in ("string", "list<string>", "bool") and 2 <= column.distinct <= _MOST_CATEGORIES
    }
    named = [name for wanted in _CATEGORIES for name in few if wanted in name.lower()]
    return named[0] if named else min(few, key=lambda name: few[name], default="")


def _named(answers: Answers) -> set[str]:
    """Ids of all candidates in `answers`."""
    found = {it.candidate_id for it in answers.favourites} | {it.candidate_id for it in answers.map.places}
    for example in answers.examples:
        found |= {*example.history, *example.answers, *(it.candidate_id for it in example.wanted)}
    return found


def _rows(candidates: ds.Dataset, columns: list[str], ids: Collection[str]) -> pa.Table:
    known = [name for name in columns if name in candidates.schema.names]
    is_named = pc.field(CANDIDATE_ID).cast(pa.string()).isin(pa.array(sorted(ids), pa.string()))
    rows = candidates.to_table(columns=[CANDIDATE_ID, *known], filter=is_named)
    return rows.set_column(0, CANDIDATE_ID, rows[CANDIDATE_ID].cast(pa.string()))


def _texts(rows: pa.Table, column: str) -> list[str]:
    """Values of a column as short texts; the first value of a list."""
    if column not in rows.column_names:
        return [""] * len(rows)
    values = ((value[0] if value else None) if isinstance(value, list) else value for value in rows[column].to_pylist())
    return ["" if value is None else str(value)[:_LONGEST] for value in values]
