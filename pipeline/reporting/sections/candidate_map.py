"""Builds the map of candidate embeddings."""

from collections import Counter
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.reporting.charts.comparisons import Spot, map_chart
from pipeline.reporting.charts.series import COLOURS
from pipeline.reporting.facts import RunFacts
from pipeline.reporting.words import number, share

_REST = "others"


@dataclass(frozen=True)
class MapView:
    """View of the map.

    Attributes:
        chart: the map.
        legend: categories with their colours; empty without categories.
        category: column of the categories; "" without categories.
        shown: number of candidates on the map.
        explained: share of the variance along the two axes.
    """

    chart: Markup
    legend: tuple[tuple[str, str], ...]
    category: str
    shown: str
    explained: str


def build(facts: RunFacts) -> MapView | None:
    """Builds the view; None without an evaluation."""
    answers, titles = facts.documents.answers, facts.titles
    if answers is None or not answers.map.places:
        return None
    categories = [titles.categories.get(it.candidate_id, "") for it in answers.map.places]
    named = [name for name, _ in Counter(it for it in categories if it).most_common(len(COLOURS))]
    groups = {name: number for number, name in enumerate(named)} if len(named) > 1 else {}
    rest = len(groups)
    spots = [
        Spot(
            it.x, it.y, groups.get(category, rest), titles.of(it.candidate_id) + (f" · {category}" if category else "")
        )
        for it, category in zip(answers.map.places, categories, strict=True)
    ]
    legend = [(name, COLOURS[place]) for name, place in groups.items()]
    if groups and any(category not in groups for category in categories):
        legend.append((_REST, "var(--rest)"))
    label = f"Map of {len(spots)} candidates" + (f" by {titles.category_column}" if groups else "")
    return MapView(
        chart=map_chart(spots, groups=rest + 1, label=label),
        legend=tuple(legend),
        category=titles.category_column if groups else "",
        shown=number(len(spots)),
        explained=share(sum(answers.map.explained)),
    )
