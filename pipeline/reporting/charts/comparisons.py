"""Charts that set numbers beside each other: intervals, histograms, shares and maps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from pipeline.reporting.charts.drawing import draw
from pipeline.reporting.charts.series import COLOURS, WIDTH


@dataclass(frozen=True)
class Estimate:
    """A value with an error bar.

    Attributes:
        name: whose it is.
        value: the value.
        low: lower end of the bar; None without a bar.
        high: upper end.
        colour: of the mark.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    colour: str

    @property
    def told(self) -> str:
        """Value and interval in words."""
        bounds = "" if self.low is None or self.high is None else f" ({self.low:.4f} … {self.high:.4f})"
        return f"{self.name}: {self.value:.4f}{bounds}"


@dataclass(frozen=True)
class Bar:
    """A bar, and where it ended before.

    Attributes:
        low: start of the bar on the axis.
        high: its end.
        share: height.
        tip: what is shown where one points at it.
    """

    low: float
    high: float
    share: float
    tip: str


@dataclass(frozen=True)
class NamedShare:
    """A share of something that has a name.

    Attributes:
        name: of the bar.
        share: length of the bar.
        before: length that it had in the data compared with; None without such.
    """

    name: str
    share: float
    before: float | None = None


@dataclass(frozen=True)
class Spot:
    """A point of a map; `group` is the place of its colour."""

    x: float
    y: float
    group: int
    tip: str


def estimates_chart(estimates: Sequence[Estimate], *, label: str) -> Markup:
    """A row for each estimate: a point with its error bar."""
    rows = [{"name": it.name, "x": it.value, "low": it.low, "high": it.high, "tip": it.told} for it in estimates]
    colour = _colours("name", [it.name for it in estimates], [it.colour for it in estimates])
    y = _names([it.name for it in estimates])
    x = {
        "field": "x",
        "type": "quantitative",
        "axis": {"title": None, "tickCount": 3},
        "scale": {"zero": True, "nice": True},
    }
    tip = {"field": "tip", "type": "nominal"}
    bar = {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}, "y": y}
    layers = [
        {
            "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.45, "aria": False},
            "encoding": bar | {"color": colour},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
            "encoding": {"x": x, "y": y, "color": colour, "description": tip},
        },
    ]
    spec = {"width": WIDTH, "height": {"step": 26}, "data": {"values": rows}, "layer": layers}
    return draw(spec, label=label)


def histogram(bars: Sequence[Bar], before: Sequence[Bar], *, label: str, temporal: bool) -> Markup:
    """Filled bars, and outlined ones of the data compared with."""

    def layer(values: Sequence[Bar], mark: Mapping[str, Any]) -> dict[str, Any]:
        rows = [{"x": it.low, "x2": it.high, "y": it.share, "tip": it.tip} for it in values]
        kind = "temporal" if temporal else "quantitative"
        axis = {"title": None, "grid": False, "tickCount": 4, "labelOverlap": True}
        encoding = {
            "x": {"field": "x", "type": kind, "axis": axis, "scale": {"zero": False, "nice": False}},
            "x2": {"field": "x2"},
            "y": {"field": "y", "type": "quantitative", "axis": None},
            "y2": {"datum": 0},
            "description": {"field": "tip", "type": "nominal"},
        }
        return {"data": {"values": rows}, "mark": {"type": "bar", "binSpacing": 1, **mark}, "encoding": encoding}

    layers = [layer(bars, {"color": "var(--c1)"})]
    if before:
        outline = {"color": "transparent", "stroke": "var(--c2)", "strokeWidth": 1.5}
        layers.append(layer(before, outline))
    return draw({"width": WIDTH, "height": 90, "layer": layers}, label=label)


def shares_chart(shares: Sequence[NamedShare], *, label: str) -> Markup:
    """A horizontal bar for each name, with a tick where it ended in the data compared with."""
    rows = [
        {
            "name": it.name,
            "share": it.share,
            "before": it.before,
            "tip": f"{it.name}: {it.share:.2%}" + ("" if it.before is None else f", before {it.before:.2%}"),
        }
        for it in shares
    ]
    y, tip = _names([it.name for it in shares]), {"field": "tip", "type": "nominal"}
    axis = {"title": None, "format": "~%", "tickCount": 3, "grid": False}
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "bar", "color": "var(--c1)", "height": {"band": 0.7}},
            "encoding": {
                "y": y,
                "x": {"field": "share", "type": "quantitative", "axis": axis},
                "description": tip,
            },
        }
    ]
    if any(it.before is not None for it in shares):
        mark = {"type": "tick", "color": "var(--c2)", "thickness": 2.5, "aria": False}
        layers.append({"mark": mark, "encoding": {"y": y, "x": {"field": "before", "type": "quantitative"}}})
    return draw({"width": WIDTH, "height": {"step": 15}, "data": {"values": rows}, "layer": layers}, label=label)


def bands_chart(bands: Sequence[str], groups: Mapping[str, Sequence[float]], *, x: str, label: str) -> Markup:
    """Grouped bars of shares: for each band one of every group, in the order of `COLOURS`."""
    rows = [
        {"band": band, "group": str(number), "y": share, "tip": f"{name}, {band}: {share:.1%}"}
        for number, (name, values) in enumerate(groups.items())
        for band, share in zip(bands, values, strict=True)
    ]
    numbers = [str(number) for number in range(len(groups))]
    encoding = {
        "x": {
            "field": "band",
            "type": "nominal",
            "sort": None,
            "axis": {"title": x, "labelAngle": 0, "ticks": False},
        },
        "xOffset": {"field": "group", "type": "nominal"},
        "y": {
            "field": "y",
            "type": "quantitative",
            "axis": {"title": None, "format": "~%", "domain": False, "ticks": False},
        },
        "color": _colours("group", numbers, COLOURS),
        "description": {"field": "tip", "type": "nominal"},
    }
    return draw(
        {"width": WIDTH, "height": 150, "data": {"values": rows}, "mark": "bar", "encoding": encoding}, label=label
    )


def map_chart(spots: Sequence[Spot], *, groups: int, label: str) -> Markup:
    """Points in a plane whose axes mean nothing by themselves."""
    rows = [{"x": it.x, "y": it.y, "group": str(it.group), "tip": it.tip} for it in spots]
    colours = [COLOURS[number] if number < len(COLOURS) else "var(--rest)" for number in range(groups)]

    def axis(name: str) -> dict[str, Any]:
        return {
            "field": name,
            "type": "quantitative",
            "axis": None,
            "scale": {"zero": False, "nice": False, "padding": 8},
        }

    encoding = {
        "x": axis("x"),
        "y": axis("y"),
        "color": _colours("group", [str(number) for number in range(groups)], colours),
        "description": {"field": "tip", "type": "nominal"},
    }
    mark = {"type": "circle", "size": 26, "opacity": 0.75}
    spec = {"width": 640, "height": 460, "data": {"values": rows}, "mark": mark, "encoding": encoding}
    return draw(spec, label=label)


def _names(names: Sequence[str]) -> dict[str, Any]:
    """An axis of names in their order. They are data: no expression contains one."""
    axis = {"title": None, "ticks": False, "domain": False, "labelLimit": 120}
    return {"field": "name", "type": "nominal", "sort": list(names), "axis": axis}


def _colours(field: str, domain: Sequence[str], colours: Sequence[str]) -> dict[str, Any]:
    scale = {"domain": list(domain), "range": list(colours)[: len(domain)]}
    return {"field": field, "type": "nominal", "legend": None, "scale": scale}
