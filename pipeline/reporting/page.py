"""Renders the sections of a report as one page."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.reporting.facts import RunFacts
from pipeline.reporting.rendering import rendered
from pipeline.reporting.sections import (
    candidate_map,
    chain,
    changes,
    configuration,
    data,
    examples,
    exposure,
    index,
    metrics,
    slices,
    training,
    verdict,
)


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        name: name of the template and of the anchor.
        title: heading.
        short: name in the navigation.
        build: builds the view of the template; a section without a view is left out.
    """

    name: str
    title: str
    short: str
    build: Callable[[RunFacts], Any]


SECTIONS = (
    Section("changes", "What changed", "Changes", changes.build),
    Section("metrics", "Metrics", "Metrics", metrics.build),
    Section("slices", "Slices", "Slices", slices.build),
    Section("training", "Training", "Training", training.build),
    Section("index", "Index and serving", "Index", index.build),
    Section("examples", "Example queries", "Examples", examples.build),
    Section("exposure", "What is recommended", "Recommended", exposure.build),
    Section("candidate_map", "Map of candidates", "Map", candidate_map.build),
    Section("data", "Data", "Data", data.build),
    Section("chain", "Steps and lineage", "Steps", chain.build),
    Section("configuration", "Configuration", "Configuration", configuration.build),
)
"""In the order of the page, below the verdict."""


def render(facts: RunFacts) -> str:
    """Renders the page as HTML that loads no other file."""
    views = [(section, section.build(facts)) for section in SECTIONS]
    return rendered(
        "page.html",
        facts=facts,
        verdict=verdict.build(facts),
        sections=[(section, view) for section, view in views if view is not None],
    )
