"""What notebooks show: a run in short, and its report."""

import webbrowser
from functools import cache
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template

    from pipeline.reporting.facts import RunFacts
    from pipeline.reporting.sections.verdict import VerdictView
    from tfrs_pipeline.tables import Table

_HEIGHT = 700
_METRICS = ("recall", "hit_rate", "ndcg", "mrr")


class Report(PathLike[str]):
    """The report of a run.

    Attributes:
        path: the HTML file, which needs no other file and no network.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> None:
        """Shows the report in the browser."""
        webbrowser.open(self.path.resolve().as_uri())

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"<report {self.path}>"

    def _repr_html_(self) -> str:
        page = escape(self.path.read_text(encoding="utf-8"))
        return f'<iframe srcdoc="{page}" title="Report" style="width: 100%; height: {_HEIGHT}px; border: 0"></iframe>'


def run_page(facts: "RunFacts", verdict: "VerdictView", metrics: "Table | None") -> str:
    """A run as HTML: the verdict, and the main metrics beside the baselines."""
    at = facts.main_metric.partition("@")[2]
    wanted = [f"{kind}@{at}" for kind in _METRICS]
    rows = [row for row in metrics.to_pylist() if row["metric"] in wanted] if metrics else []
    return _template().render(facts=facts, verdict=verdict, columns=metrics.columns if metrics else (), rows=rows)


@cache
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tfrs_pipeline", "templates"),
        autoescape=True,  # messages and names are the user's data
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("run.html")
