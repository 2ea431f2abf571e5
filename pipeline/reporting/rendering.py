"""Fills a template: one self-contained HTML page, with its style and its script."""

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.reporting import words
from pipeline.reporting.charts.drawing import can_draw

_TEMPLATES = "templates"


def rendered(template: str, **values: Any) -> str:
    """Renders a template that extends `base.html` as HTML that loads no other file.

    Args:
        template: file name of the template.
        values: variables of the template.
    """
    script = _file("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template(template)
        .render(
            **values,
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
