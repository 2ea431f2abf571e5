"""Prints a comparison as text tables."""

from dataplane.text_tables import text_table
from pipeline.reporting.comparison.comparison import Comparison

_CELLS = 70
"""Characters of a row of differences for the values of all runs, if the width is not limited."""
_INDENT = 2
_SHORTEST = 12
"""Characters that a value has at least."""


def comparison_text(comparison: Comparison, width: int | None = None) -> str:
    """The comparison as text, with tables of at most `width` columns."""
    room = width and width - _INDENT
    first = comparison.runs[0].letter
    overlaps = [it.told(first) for it in comparison.overlaps]
    parts = [
        _part("Runs", _runs(comparison, room)),
        _part("Metrics", [*_metrics(comparison, room), *comparison.metrics.notes]),
        _part("Answers", overlaps or ["The runs share no query with answers."]),
        _part("Differences", _differences(comparison, room)),
    ]
    unread = [f"Left out: {line}" for run in comparison.runs for line in run.unread]
    return "\n\n".join([*parts, *unread])


def _part(title: str, lines: list[str]) -> str:
    return "\n".join([title, *(f"{' ' * _INDENT}{line}".rstrip() for line in lines)])


def _runs(comparison: Comparison, width: int | None) -> list[str]:
    return text_table([[it.letter, it.pipeline, it.run.id, it.outcome] for it in comparison.runs], width=width)


def _metrics(comparison: Comparison, width: int | None) -> list[str]:
    """The metrics and their differences from run A: one table for two runs, otherwise a table for each further run."""
    rows = comparison.metrics.rows
    if not rows:
        return []
    runs = len(comparison.runs)
    header = ["", *(it.letter for it in comparison.runs), *comparison.difference_columns]
    table = [header, *([row.name, *row.cells] for row in rows)]
    shown = [row[: runs + 1] if runs > 2 else row for row in table]
    lines = text_table(shown, right=range(1, runs + 1), width=width)
    for place, name in enumerate(comparison.difference_columns if runs > 2 else ()):
        if any(row.differences[place] for row in rows):
            differences = [[name, ""], *([row[0], row[runs + 1 + place]] for row in table[1:])]
            lines += ["", *text_table(differences, width=width)]
    return [
        *lines,
        "",
        f"In brackets: {comparison.level} intervals of the paired difference over the shared test queries.",
    ]


def _differences(comparison: Comparison, width: int | None) -> list[str]:
    longest = _longest(comparison, width) if comparison.differences else 0
    rows = [[it.where, it.what, *(_shortened(cell, longest) for cell in it.cells)] for it in comparison.differences]
    lines = text_table([["", "", *(it.letter for it in comparison.runs)], *rows], width=width) if rows else []
    lines += [] if rows else ["No difference in data, settings or libraries was found."]
    lines += comparison.unrecorded
    if comparison.same_steps:
        lines.append(f"Same inputs, parameters and code: {', '.join(comparison.same_steps)}")
    return lines


def _longest(comparison: Comparison, width: int | None) -> int:
    """Characters of a value, so that the values of all runs stand beside its name."""
    runs, found, room = len(comparison.runs), comparison.differences, _CELLS
    if width is not None:
        names = max(len(it.where) for it in found) + max(len(it.what) for it in found)
        room = min(_CELLS, width - names - 2 * (runs + 1))
    return max(_SHORTEST, room // runs)


def _shortened(cell: str, longest: int) -> str:
    """A cell that leaves room for the others; the page has it whole."""
    return cell if len(cell) <= longest else f"{cell[: longest - 1]}…"
