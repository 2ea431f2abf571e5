"""Renders the sections of a report as one self-contained HTML page."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.reporting import words
from pipeline.reporting.charts.drawing import can_draw
from pipeline.reporting.facts import RunFacts
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

_TEMPLATES = "templates"


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
    script = _file("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    views = [(section, section.build(facts)) for section in SECTIONS]
    return (
        _environment()
        .get_template("page.html")
        .render(
            facts=facts,
            verdict=verdict.build(facts),
            sections=[(section, view) for section, view in views if view is not None],
            charts_drawn=can_draw(),
            style=Markup(_file("page.css")),  # noqa: S704  files of this package
            script=Markup(script),  # noqa: S704
            script_digest=digest,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pipeline.reporting", _TEMPLATES),
        autoescape=True,  # ids, titles and messages are the user's data
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = ("number", "metric", "share", "signed", "seconds", "size", "moment")
    environment.filters |= {name: getattr(words, name) for name in names}
    return environment


def _file(name: str) -> str:
    return resources.files("pipeline.reporting").joinpath(_TEMPLATES, name).read_text(encoding="utf-8")
