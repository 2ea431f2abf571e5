"""Draws a Vega-Lite specification as SVG that goes into a page."""

import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

Spec = Mapping[str, Any]
"""A Vega-Lite specification, or a part of one."""

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_TEXT = {"labelColor": "var(--muted)", "titleColor": "var(--muted)", "labelFontSize": 11, "titleFontSize": 11}
_FONT = "system-ui, sans-serif"
_CONFIG = {
    "background": None,
    "padding": {"left": 8, "top": 5, "right": 8, "bottom": 5},
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        **_TEXT,
        "titleFontWeight": "normal",
        "gridColor": "var(--grid)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "aria": False,
        "labelFlush": False,
        "labelOverlap": True,
    },
}
_FIT = {"autosize": {"type": "fit-x", "contains": "padding"}}
"""All charts are as wide as each other, labels included, so that their letters have one size on the page."""
_MARK = re.compile(r' aria-label="([^"]*)" role="graphics-symbol" aria-roledescription="[^"]*"')
_ARIA = re.compile(r' (?:role|aria-[a-z]+)="[^"]*"')
_FIRST_TAG = re.compile(r"<svg[^>]*?viewBox=\"([^\"]*)\"[^>]*>")


def can_draw() -> bool:
    """Whether the library that draws is installed."""
    try:
        import vl_convert  # noqa: F401
    except ImportError:
        return False
    return True


def draw(spec: Spec, *, label: str) -> Markup:
    """The chart as an `<svg>` element; empty if the library that draws is not installed.

    Marks carry their `description` as `data-tip`, for the page to show where one points at them.

    Args:
        spec: its data are values, and its field names none of the user's, since Vega reads paths in them.
        label: what the chart shows, for those who cannot see it.
    """
    if not can_draw():
        return Markup()
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg({"$schema": _SCHEMA, "config": _CONFIG, **_FIT, **spec}, allowed_base_urls=[])
    svg = _ARIA.sub("", _MARK.sub(r' data-tip="\1"', svg))
    width = _FIRST_TAG.search(svg)
    box = width[1] if width else ""
    tag = f'<svg role="img" aria-label="{escape(label)}" viewBox="{box}">'
    return Markup(_FIRST_TAG.sub(lambda _: tag, svg, count=1))  # noqa: S704  vl-convert escapes what is in the data
