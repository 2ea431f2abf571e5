"""Formats numbers, durations, moments, and settings."""

import json
from datetime import UTC, datetime
from typing import Any


def number(value: float | None) -> str:
    """Formats integers with separators and other numbers with four significant digits."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e15):
        return f"{int(value):,}"
    return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


def metric(value: float | None) -> str:
    """A metric: four decimals."""
    return "–" if value is None else f"{value:.4f}"


def share(value: float) -> str:
    """A share in per cent."""
    return f"{value:.1%}" if 0 < value < 0.9995 else f"{value:.0%}"


def signed(value: float) -> str:
    """A difference of metrics with its sign."""
    return f"{value:+.4f}".replace("-", "−")


def judged(bounds: tuple[float, float]) -> str:
    """Whether a difference with this interval is more than chance."""
    if bounds[0] > 0:
        return "clearly better"
    return "clearly worse" if bounds[1] < 0 else "which may be chance"


def seconds(value: float) -> str:
    """A duration."""
    if value < 100:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def size(value: float) -> str:
    """Bytes."""
    return f"{value / 2**20:,.1f} MiB"


def moment(text: str | None) -> str:
    """An ISO moment without its fraction of a second."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if text else "–"
    except ValueError:
        return str(text)


def microseconds(value: float) -> str:
    """A moment in microseconds UTC."""
    try:
        return datetime.fromtimestamp(value / 1e6, UTC).strftime("%Y-%m-%d")
    except (ValueError, OSError, OverflowError):
        return number(value)


def setting(value: Any) -> str:
    """A value of a configuration, as in its file."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
