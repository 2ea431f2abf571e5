"""Charts of numbers against numbers: lines, and points on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from pipeline.reporting.charts.drawing import draw

COLOURS = ("var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)", "var(--c6)", "var(--c7)", "var(--c8)")
"""Of series, in their order; told apart also by those who see few colours."""

WIDTH, HEIGHT = 330, 165
"""Of a chart in pixels: the height without its axes."""


_LAYERS: Sequence[Mapping[str, Any]] = (
    {"mark": {"type": "line", "strokeWidth": 2, "aria": False}, "encoding": {}},
    {
        "mark": {"type": "point", "filled": True, "size": 36, "opacity": 1},
        "encoding": {"description": {"field": "tip", "type": "nominal"}},
    },
    {
        "transform": [{"filter": "datum.chosen"}],
        "mark": {"type": "point", "size": 170, "strokeWidth": 2, "filled": False, "aria": False},
        "encoding": {},
    },
)
"""Lines, points with their texts, and a ring around the chosen point of each line."""


@dataclass(frozen=True)
class Point:
    """A point of a series.

    Attributes:
        x: where it is.
        y: its value.
        tip: what is shown where one points at it.
    """

    x: float
    y: float
    tip: str


@dataclass(frozen=True)
class Series:
    """A line.

    Attributes:
        name: of the line.
        points: from left to right.
        chosen: the point that is marked, by its place; None if none is.
    """

    name: str
    points: Sequence[Point]
    chosen: int | None = None


def line_chart(
    series: Sequence[Series],
    *,
    label: str,
    x: str,
    log_x: bool = False,
    x_values: Sequence[float] = (),
    x_step: float = 0,
    time_format: str = "",
) -> Markup:
    """Lines with a point for each value.

    Args:
        series: the lines; one whose place is i has the colour `COLOURS[i]`.
        label: what the chart shows.
        x: title of the horizontal axis; the caption of the chart names the other one.
        log_x: whether the axis is logarithmic.
        x_values: the ticks; chosen by the library if empty.
        x_step: least distance of ticks.
        time_format: format of the ticks, such as `%H:%M`, if the axis is time in milliseconds since 1970.
    """
    rows = [
        {"x": point.x, "y": point.y, "series": str(number), "tip": point.tip, "chosen": index == line.chosen}
        for number, line in enumerate(series)
        for index, point in enumerate(line.points)
    ]
    axis: dict[str, Any] = {"title": x, "grid": False}
    axis |= {"values": list(x_values)} if x_values else {"tickCount": 6, "tickMinStep": x_step}
    scale: dict[str, Any] = {"type": "log" if log_x else "linear", "zero": False, "nice": False}
    x_type: dict[str, Any] = {"type": "quantitative", "scale": scale}
    if time_format:
        axis |= {"format": time_format}
        x_type = {"type": "temporal", "scale": {"type": "utc", "padding": 12}}
    encoding = {
        "x": {"field": "x", "axis": axis, **x_type},
        "y": {
            "field": "y",
            "type": "quantitative",
            "axis": {"title": None, "tickCount": 5, "domain": False, "ticks": False},
            "scale": {"zero": False, "nice": True},
        },
        "color": _colours(len(series)),
    }
    spec = {"width": WIDTH, "height": HEIGHT, "data": {"values": rows}, "encoding": encoding, "layer": _LAYERS}
    return draw(spec, label=label)


def _colours(count: int) -> dict[str, Any]:
    names = [str(number) for number in range(count)]
    colours = [COLOURS[number % len(COLOURS)] for number in range(count)]
    return {"field": "series", "type": "nominal", "legend": None, "scale": {"domain": names, "range": colours}}
