"""Finds the differences of runs in data, settings, and libraries."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dataplane.artifacts.statistics import ColumnReport
from pipeline.config.settings import with_defaults
from pipeline.reporting.comparison.facts import Compared
from pipeline.reporting.facts import Documents
from pipeline.reporting.sections.changes import data_facts
from pipeline.reporting.words import number, setting, share

_ABSENT = "–"


@dataclass(frozen=True)
class DifferenceRow:
    """A value that is not the same in all runs.

    Attributes:
        where: Data, Settings or Libraries.
        what: key of the value.
        cells: value of each run; "–" if absent.
    """

    where: str
    what: str
    cells: tuple[str, ...]


def differences(runs: Sequence[Compared]) -> tuple[DifferenceRow, ...]:
    """All differences: data first, then settings, then libraries."""
    return (
        *_differing("Data", [_data(it.documents) for it in runs]),
        *_differing("Settings", [_settings(it) for it in runs]),
        *_differing("Libraries", [_libraries(it) for it in runs]),
    )


def same_steps(runs: Sequence[Compared]) -> tuple[str, ...]:
    """Steps with the same inputs, parameters and code in all runs, so that they explain no difference."""
    prints = [{node: it.fingerprint for node, it in run.executions.items()} for run in runs]
    return tuple(node for node in prints[0] if len({of.get(node) for of in prints}) == 1)


def _differing(where: str, columns: Sequence[Mapping[str, str]]) -> Iterator[DifferenceRow]:
    """Values that differ between the runs with values: a run without any, such as a failed one, differs in none."""
    for what in dict.fromkeys(key for column in columns for key in column):
        if len({column.get(what, _ABSENT) for column in columns if column}) > 1:
            yield DifferenceRow(where, what, tuple(column.get(what, _ABSENT) for column in columns))


def _data(documents: Documents) -> dict[str, str]:
    found = data_facts(documents)
    for name, table in (documents.statistics.root if documents.statistics else {}).items():
        found |= {f"{name}.{column}": _column(it, table.rows) for column, it in table.columns.items()}
    return found


def _column(column: ColumnReport, rows: int) -> str:
    missing = share(column.missing / rows) if rows else share(0)
    return f"{column.type}, {number(column.distinct)} values, {missing} missing"


def unrecorded(runs: Sequence[Compared]) -> tuple[str, ...]:
    """Notes on runs without recorded settings."""
    without = [it.letter for it in runs if not it.run.settings]
    return tuple(f"Run {letter} is of an older release, which recorded no settings." for letter in without)


def _settings(run: Compared) -> dict[str, str]:
    """All settings, defaults included; empty if the run recorded none."""
    return {it.key: setting(it.value) for it in with_defaults(run.run.settings)} if run.run.settings else {}


def _libraries(run: Compared) -> dict[str, str]:
    return {name: version for it in run.executions.values() for name, version in it.libraries.items()}
