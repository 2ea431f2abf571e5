"""Which candidates of a side table meet the constraints of a request, by the attributes that their changes gave."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from models.spec.selection import FilterKind, filter_inputs

Attributes = Mapping[str, Any]
"""See `Change.attributes`."""


class FreshAttributes:
    """Attributes of candidates, row by row; read when they are first asked for."""

    def __init__(self, kinds: Mapping[str, FilterKind], rows: Sequence[Attributes]) -> None:
        """Takes the attributes.

        Args:
            kinds: kind of each filter by name.
            rows: attributes of each candidate.
        """
        self._kinds, self._rows = kinds, rows

    def matching(self, request: Mapping[str, Any]) -> np.ndarray:
        """Which candidates meet all constraints of a completed request, bool `[candidates]`.

        A candidate meets no constraint of a filter that its change did not name.
        """
        matching = np.ones(len(self._rows), bool)
        for name, kind in self._kinds.items():
            given = [request[key] for key in filter_inputs(name, kind) if key in request]
            if kind == "range":
                matching &= self._in_range(name, *given) if given else True
            elif given:
                wanted = {_text(value) for value in (given[0] if isinstance(given[0], list) else given)} - {""}
                matching &= self._with_values(name, kind, wanted) if wanted else True
        return matching

    def _in_range(self, name: str, least: float, most: float) -> np.ndarray:
        if np.isnan(least) and np.isnan(most):
            return np.ones(len(self._rows), bool)
        numbers = self._numbers[name]
        return np.asarray(~np.isnan(numbers) & ~(numbers < least) & ~(numbers > most))

    def _with_values(self, name: str, kind: FilterKind, wanted: set[str]) -> np.ndarray:
        having, is_named = self._having[name], self._is_named[name]
        has = np.zeros((len(wanted), len(self._rows)), bool)
        for place, value in enumerate(wanted):
            has[place, having.get(value, [])] = True
        if kind == "all_of":
            return np.asarray(has.all(axis=0))
        has_any = np.asarray(has.any(axis=0))
        return is_named & ~has_any if kind == "none_of" else has_any

    @cached_property
    def _is_named(self) -> Mapping[str, np.ndarray]:
        return {name: np.array([name in row for row in self._rows], bool) for name in self._kinds}

    @cached_property
    def _numbers(self) -> Mapping[str, np.ndarray]:
        """Numbers of the ranges, float64 `[candidates]`; NaN without one."""
        return {
            name: np.array([np.nan if (it := row.get(name)) is None else it for row in self._rows], np.float64)
            for name, kind in self._kinds.items()
            if kind == "range"
        }

    @cached_property
    def _having(self) -> Mapping[str, Mapping[str, list[int]]]:
        """The candidates that have a value, by filter and value."""
        every: dict[str, dict[str, list[int]]] = {name: {} for name, kind in self._kinds.items() if kind != "range"}
        for name, having in every.items():
            for place, row in enumerate(self._rows):
                values = row.get(name)
                for value in values if isinstance(values, list) else [] if values is None else [values]:
                    having.setdefault(value, []).append(place)
        return every


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
