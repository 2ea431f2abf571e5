"""Builds the view of exposure: coverage, popularity, and the most recommended candidates."""

from dataclasses import dataclass

from markupsafe import Markup

from dataplane.artifacts.answers import Answers
from pipeline.reporting.charts.comparisons import bands_chart
from pipeline.reporting.facts import RunFacts
from pipeline.reporting.words import number, share


@dataclass(frozen=True)
class FavouriteRow:
    """A candidate that is recommended often."""

    title: str
    candidate_id: str
    lists: str


@dataclass(frozen=True)
class ExposureView:
    """View of the exposure.

    Attributes:
        facts: coverage and concentration, by name.
        chart: shares of training events and of answers by popularity.
        favourites: rows of the most recommended candidates.
        k: number of answers per query.
        queries: number of test queries.
    """

    facts: dict[str, str]
    chart: Markup
    favourites: tuple[FavouriteRow, ...]
    k: int
    queries: int


def build(facts: RunFacts) -> ExposureView | None:
    """Builds the view; None without an evaluation."""
    answers = facts.documents.answers
    if answers is None:
        return None
    rows = [
        FavouriteRow(facts.titles.of(it.candidate_id), it.candidate_id, share(it.answers / answers.queries))
        for it in answers.favourites
    ]
    return ExposureView(_facts(answers), _chart(answers), tuple(rows), answers.k, answers.queries)


def _facts(answers: Answers) -> dict[str, str]:
    candidates = sum(band.candidates for band in answers.bands) or 1
    places = sum(band.answers for band in answers.bands) or 1
    top = sum(it.answers for it in answers.favourites)
    half = -(-len(answers.bands) // 2)
    tail = sum(band.answers for band in answers.bands[half:])
    return {
        "recommended to anyone": f"{number(answers.recommended)} of {number(candidates)} candidates, "
        f"{share(answers.recommended / candidates)}",
        f"the {len(answers.favourites)} most recommended": f"{share(top / places)} of all places",
        "the less popular half": f"{share(tail / places)} of all places",
    }


def _chart(answers: Answers) -> Markup:
    events = sum(band.training_events for band in answers.bands) or 1
    places = sum(band.answers for band in answers.bands) or 1
    groups = {
        "training events": [band.training_events / events for band in answers.bands],
        "answers": [band.answers / places for band in answers.bands],
    }
    names = [str(place) for place in range(1, len(answers.bands) + 1)]
    told = "; ".join(f"{name} {', '.join(map(share, values))}" for name, values in groups.items())
    label = f"Shares by tenth of the catalogue, the most popular first: {told}"
    return bands_chart(names, groups, x="tenth of the catalogue, most popular first", label=label)
