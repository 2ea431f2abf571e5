"""Renders a comparison as one page."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from pipeline.reporting.charts.comparisons import Estimate, estimates_chart
from pipeline.reporting.charts.series import COLOURS
from pipeline.reporting.comparison.comparison import Comparison
from pipeline.reporting.rendering import rendered
from pipeline.reporting.sections.metrics import recall_curve


def render_comparison(comparison: Comparison, file: Path) -> str:
    """Renders the page as HTML that links the reports of the runs and loads no other file.

    Args:
        comparison: the comparison.
        file: path that the page will have.
    """
    return rendered(
        "compare.html",
        comparison=comparison,
        reports=[_link(file, it.report) for it in comparison.runs],
        first=comparison.runs[0].letter,
        letters=[it.letter for it in comparison.runs],
        charts=dict(_charts(comparison)),
        legend=tuple(zip((it.letter for it in comparison.runs), COLOURS, strict=False)),
    )


def _link(page: Path, report: Path) -> str:
    """Address of a report on a page; "" if the report does not exist."""
    return quote(os.path.relpath(report, page.parent)) if report.is_file() else ""


def _charts(comparison: Comparison) -> Iterator[tuple[str, Markup]]:
    for place, name in enumerate(comparison.difference_columns):
        measured = [(row.name, row.differences[place]) for row in comparison.metrics.rows]
        estimates = [
            Estimate(metric, it.value, *it.bounds, COLOURS[place + 1]) for metric, it in measured if it and it.bounds
        ]
        if estimates:
            yield name, estimates_chart(estimates, label=f"{name}. {'; '.join(it.told for it in estimates)}")
    means = {it.letter: it.documents.metrics.test if it.documents.metrics else {} for it in comparison.runs}
    cutoffs = sorted(
        {int(name.partition("@")[2]) for of in means.values() for name in of if name.startswith("recall@")}
    )
    if cutoffs:
        yield "recall@k", recall_curve(means, cutoffs)
