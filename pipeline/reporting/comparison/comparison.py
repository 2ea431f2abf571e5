"""Compares runs with the first of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.reporting.comparison.differences import DifferenceRow, differences, same_steps, unrecorded
from pipeline.reporting.comparison.facts import Compared
from pipeline.reporting.comparison.metrics import LEVEL, MetricsComparison, compare_metrics
from pipeline.reporting.comparison.overlap import Overlap, SharedExample, compare_answers, shared_examples

_NAMED = 5
"""Names of one line of causes."""


@dataclass(frozen=True)
class Comparison:
    """Comparison of runs.

    Attributes:
        runs: the runs; the others are compared with the first.
        headlines: the main result of each run after the first.
        metrics: metrics of the runs and their differences.
        overlaps: overlap of the answers of each run with those of the first.
        examples: example queries that all runs share.
        differences: differences in data, settings and libraries.
        same_steps: steps that are the same in all runs.
        unrecorded: notes on runs without recorded settings.
    """

    runs: tuple[Compared, ...]
    headlines: tuple[str, ...]
    metrics: MetricsComparison
    overlaps: tuple[Overlap, ...]
    examples: tuple[SharedExample, ...]
    differences: tuple[DifferenceRow, ...]
    same_steps: tuple[str, ...]
    unrecorded: tuple[str, ...]

    @property
    def title(self) -> str:
        """The judgement on the main metric if there are two runs with an interval."""
        first, second = self.runs[0].letter, self.runs[1].letter
        return {
            "good": f"{second} is clearly better than {first}",
            "bad": f"{second} is clearly worse than {first}",
            "neutral": f"Comparison of {len(self.runs)} runs",
        }[self.tone]

    @property
    def tone(self) -> str:
        """Good or bad if run B is clearly better or worse than run A and there is no third run; otherwise neutral."""
        difference = self.metrics.rows[0].differences[0] if self.metrics.rows and len(self.runs) == 2 else None
        if difference is None or difference.bounds is None:
            return "neutral"
        low, high = difference.bounds
        return "good" if low > 0 else "bad" if high < 0 else "neutral"

    @property
    def causes(self) -> list[str]:
        """Names of what differs: a line each for data, settings and libraries."""
        places = dict.fromkeys(it.where for it in self.differences)
        named = {place: _some([it.what for it in self.differences if it.where == place]) for place in places}
        return [f"Different {place.lower()}: {names}" for place, names in named.items()]

    @property
    def difference_columns(self) -> list[str]:
        """Headings of the differences of metrics, such as `B − A`."""
        return [f"{it.letter} − {self.runs[0].letter}" for it in self.runs[1:]]

    @property
    def level(self) -> str:
        """Level of the intervals."""
        return f"{LEVEL:.0%}"


def compare(runs: Sequence[Compared]) -> Comparison:
    """Compares runs with the first of them."""
    metrics = compare_metrics(runs)
    return Comparison(
        runs=tuple(runs),
        headlines=tuple(_headlines(runs, metrics)),
        metrics=metrics,
        overlaps=compare_answers(runs),
        examples=shared_examples(runs),
        differences=differences(runs),
        same_steps=same_steps(runs),
        unrecorded=unrecorded(runs),
    )


def _some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f", and {more} more" if more > 0 else "")


def _headlines(runs: Sequence[Compared], metrics: MetricsComparison) -> Iterator[str]:
    for place, run in enumerate(runs[1:]):
        difference = metrics.rows[0].differences[place] if metrics.rows else None
        against = f"{run.letter} against {runs[0].letter}"
        if difference is None:
            yield f"{against}: the metrics cannot be compared."
        else:
            yield f"{against}: {metrics.main} {difference.told}."
