"""Chooses the cheapest settings of an index that reach a recall target against exact search.

Three settings need a new build (leaves, dimensions per block, anisotropic threshold). A few builds are tried, each one
step from the best so far. Two settings only affect the search (leaves to search, reorder). On every build, the search
follows the boundary of the settings that reach the target. Costs come from the model in `models.retrieval.index_cost`,
not from timings, so the same inputs choose the same index.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from dataplane.artifacts.serving_model import Build, CurvePoint
from models.retrieval.index import ExactSearch
from models.retrieval.index_cost import exact_cost, tree_cost
from models.retrieval.index_recall import RecallMeter, SearchFunction
from models.retrieval.scann_index import ScannSearch, SearchWithin
from models.spec.progress import Advanced, Decided, Progress, unheard
from models.spec.tree_settings import TreeSettings, tree_is_possible

if TYPE_CHECKING:
    from components.scann_indexer.params import IndexConfig

_MARGIN = 3.0  # standard errors above the target on the tuning queries, so that other queries reach it too
_TREE_PAYS = 2.0  # least speed-up over brute force, which misses no answer
_MOST_TO_FEWEST_LEAVES = 128
_LEAVES_STEP = math.sqrt(2)
_REORDERS = (1, 1.5, 2, 3, 4, 6, 8, 12, 16)  # candidates per answer
_TIMED = 20  # timed calls
_STEPS: tuple[tuple[str, Callable[[TreeSettings], TreeSettings]], ...] = (
    ("dimensions_per_block", lambda best: replace(best, dimensions_per_block=2 * best.dimensions_per_block)),
    ("leaves", lambda best: replace(best, leaves=2 * best.leaves)),
    ("anisotropic_threshold", lambda best: replace(best, anisotropic_threshold=best.anisotropic_threshold / 2)),
)


@dataclass(frozen=True)
class Point:
    """Cost and recall of one setting.

    Attributes:
        cost: expected cost of a query in microseconds.
        recall: mean recall over the tuning queries.
        assured: lower bound of the recall on other queries, three standard errors below `recall`.
    """

    cost: float
    recall: float
    assured: float

    def facts(self) -> dict[str, float]:
        """Rounded values for `index.json`."""
        return {"recall": round(self.recall, 6), "assured": round(self.assured, 6), "cost_us": round(self.cost, 1)}


@dataclass(frozen=True)
class Tuned:
    """Result of tuning.

    Attributes:
        search: the chosen index, with its settings.
        point: cost and recall on the tuning queries.
        builds: all trees built, for the report.
        curve: recall, cost and latency of the chosen tree by number of leaves searched, for the report.
    """

    search: ScannSearch
    point: Point
    builds: list[Build]
    curve: list[CurvePoint]


@dataclass(frozen=True)
class _Build:
    """A tree with its cheapest settings that reach the target, or else its most accurate ones."""

    search: ScannSearch
    settings: TreeSettings
    point: Point


def first_settings(config: "IndexConfig", *, candidates: int, answers: int) -> TreeSettings:
    """Settings that tuning starts from: the configured ones, and usual values for the others."""
    leaves = max(1, round(math.sqrt(candidates))) if config.leaves == "auto" else config.leaves
    return TreeSettings(
        leaves=leaves,
        leaves_to_search=leaves if config.leaves_to_search == "auto" else config.leaves_to_search,
        anisotropic_threshold=0.2 if config.anisotropic_threshold == "auto" else config.anisotropic_threshold,
        dimensions_per_block=1 if config.dimensions_per_block == "auto" else config.dimensions_per_block,
        reorder=min(candidates, max(answers, 0 if config.reorder == "auto" else config.reorder)),
        training_sample=config.training_sample,
        answers=answers,
    )


class Tuner:
    """Chooses an index for one catalogue."""

    def __init__(
        self,
        config: "IndexConfig",
        exact: ExactSearch,
        queries: np.ndarray,
        *,
        answers: int,
        other_queries: int,
        progress: Progress = unheard,
    ) -> None:
        """Sets up tuning.

        Args:
            config: section `index`; settings other than `auto` stay fixed.
            exact: exact search over the catalogue.
            queries: tuning queries, float32 `[queries, dim]`, at least one, not those that measure the result.
            answers: number of answers to a request, at most the number of candidates.
            other_queries: number of queries that measure the result.
            progress: receives the work at hand and the result of each build.
        """
        self._config, self._exact, self._queries, self._progress = config, exact, queries, progress
        self._answers, self._k = answers, min(config.recall_target.k, answers)
        self._candidates, self._dimension = exact.embeddings.shape
        self._errors = math.sqrt(1 / len(queries) + 1 / other_queries)
        self._brute_force = Point(exact_cost(candidates=self._candidates, dimension=self._dimension), 1.0, 1.0)
        self._builds: list[Build] = []

    def tune(self) -> Tuned:
        """Builds and measures trees and chooses the index."""
        start = first_settings(self._config, candidates=self._candidates, answers=self._answers)
        if not self._may_win(start):
            return self._without_tree()
        self._progress(f"searching exactly for {len(self._queries):,} queries")
        self._meter = RecallMeter(self._exact, self._queries, (self._k,), asked=self._answers, progress=self._answered)
        best = self._try(start)
        for step in self._steps():
            settings = step(best.settings)
            if tree_is_possible(self._candidates, settings.leaves):
                best = min(best, self._try(settings), key=lambda build: self._order(build.point))
        if self._config.search == "auto" and not (self._reaches(best.point) and self._pays(best.point.cost)):
            return self._without_tree()
        best.search.settings = best.settings
        return Tuned(best.search, best.point, self._builds, self._curve(best))

    def _answered(self, done: int) -> None:
        self._progress(Advanced(done, len(self._queries), "queries"))

    def _without_tree(self) -> Tuned:
        return Tuned(ScannSearch(self._exact, None), self._brute_force, self._builds, [])

    def _may_win(self, start: TreeSettings) -> bool:
        if self._config.search == "brute_force" or not tree_is_possible(self._candidates, start.leaves):
            return False
        narrowest = replace(start, leaves_to_search=self._leaves(start)[0], reorder=min(self._reorders()))
        return self._config.search == "tree" or self._pays(self._cost(narrowest))

    def _pays(self, cost: float) -> bool:
        """Whether a tree of this cost is fast enough to make up for missed answers."""
        return cost < self._brute_force.cost / _TREE_PAYS

    def _steps(self) -> list[Callable[[TreeSettings], TreeSettings]]:
        """Steps to further builds: one per setting that is `auto`, as many as the budget allows."""
        free = [step for setting, step in _STEPS if getattr(self._config, setting) == "auto"]
        return free[: max(0, self._config.tuning_budget // self._candidates - 1)]

    def _try(self, settings: TreeSettings) -> _Build:
        """Builds a tree and finds its cheapest settings that reach the target, or its most accurate ones."""
        self._progress(f"building a tree of {settings.leaves:,} leaves, {settings.dimensions_per_block} dims per block")
        began = time.monotonic()
        search = ScannSearch(self._exact, settings)
        seconds = time.monotonic() - began
        with search.opened() as probe:
            point, found = self._cheapest(probe, settings)
        self._builds.append(Build(settings=found, **point.facts(), build_seconds=round(seconds, 3)))
        self._progress(_told(found, point))
        return _Build(search, found, point)

    def _cheapest(self, probe: SearchWithin, settings: TreeSettings) -> tuple[Point, TreeSettings]:
        """Searches (leaves to search, reorder) along the boundary of the recall target.

        Example with leaves 1, 2, 4 and reorder 300, 200, 100: if (1, 300) misses the target and (2, 300) reaches it,
        then (2, 200) is next. If that misses and (4, 200) reaches it, (4, 100) is last. Points that cost no less
        than the best one are skipped, and (1, 200) is never measured.
        """
        best: tuple[Point, TreeSettings] | None = None
        narrowest = 0  # less reordering needs at least as many leaves
        for reorder in sorted(self._reorders(), reverse=True):
            for place, leaves in enumerate(self._leaves(settings)[narrowest:], narrowest):
                narrower = replace(settings, leaves_to_search=leaves, reorder=reorder)
                if best and self._reaches(best[0]) and self._cost(narrower) >= best[0].cost:
                    break
                point = self._measure(probe, narrower)
                if best is None or self._order(point) < self._order(best[0]):
                    best = point, narrower
                if self._reaches(point):
                    narrowest = place
                    break
        assert best is not None
        return best

    def _measure(self, probe: SearchWithin, settings: TreeSettings) -> Point:
        recall = self._meter.recall(_searching(probe, settings))[self._k]
        mean = float(recall.mean())
        # Few queries may agree by chance, so the spread is at least that of neighbours found or missed independently.
        expected = (recall.sum() * self._k + 1) / (recall.size * self._k + 2)
        spread = max(float(recall.std()), math.sqrt(expected * (1 - expected) / self._k))
        return Point(self._cost(settings), mean, mean - _MARGIN * spread * self._errors)

    def _reaches(self, point: Point) -> bool:
        return point.assured >= self._config.recall_target.recall

    def _order(self, point: Point) -> tuple[bool, float, float]:
        """Sort key: points that reach the target come first, by cost; the others follow, by recall."""
        reaches = self._reaches(point)
        return (False, point.cost, 0.0) if reaches else (True, -point.recall, point.cost)

    def _cost(self, settings: TreeSettings) -> float:
        return tree_cost(settings, candidates=self._candidates, dimension=self._dimension)

    def _leaves(self, settings: TreeSettings) -> list[int]:
        """Numbers of leaves to search, ascending."""
        if self._config.leaves_to_search != "auto":
            return [min(self._config.leaves_to_search, settings.leaves)]
        steps = math.ceil(math.log(_MOST_TO_FEWEST_LEAVES, _LEAVES_STEP)) + 1
        return sorted({max(1, round(settings.leaves * _LEAVES_STEP**-step)) for step in range(steps)})

    def _reorders(self) -> set[int]:
        if self._config.reorder != "auto":
            return {min(self._candidates, max(self._answers, self._config.reorder))}
        return {min(self._candidates, round(times * self._answers)) for times in _REORDERS}

    def _curve(self, build: _Build) -> list[CurvePoint]:
        """Recall, expected cost and measured latency of a tree, by leaves searched."""
        self._progress("measuring the curve of recall and latency")
        curve = []
        with build.search.opened() as probe:
            for leaves in sorted({*self._leaves(build.settings), build.settings.leaves_to_search}):
                settings = replace(build.settings, leaves_to_search=leaves)
                point, search = self._measure(probe, settings), _searching(probe, settings)
                latencies = {f"latency_ms_batch_{size}": self._latency(search, size) for size in (1, 64)}
                curve.append(
                    CurvePoint(leaves_to_search=leaves, reorder=settings.reorder, **point.facts(), **latencies)
                )
        return curve

    def _latency(self, search: SearchFunction, size: int) -> float:
        return latency_ms(search, self._queries, count=self._answers, batch=size)


def _told(settings: TreeSettings, point: Point) -> Decided:
    """What a tree comes to."""
    text = (
        f"tree of {settings.leaves:,} leaves, {settings.leaves_to_search:,} searched: recall {point.recall:.4f}, "
        f"{point.cost:,.0f} µs a query expected"
    )
    return Decided(text, {"leaves": settings.leaves, "leaves_to_search": settings.leaves_to_search, **point.facts()})


def _searching(probe: SearchWithin, settings: TreeSettings) -> SearchFunction:
    leaves, reorder = tf.constant(settings.leaves_to_search), tf.constant(settings.reorder)
    return lambda queries, count: probe(queries, count, leaves, reorder)


def latency_ms(search: SearchFunction, queries: np.ndarray, *, count: int, batch: int = 1) -> float:
    """Median milliseconds of a search for a batch of queries, after a warm-up call."""
    seconds = []
    for call in range(_TIMED + 1):
        part = tf.constant(np.take(queries, range(call * batch, (call + 1) * batch), axis=0, mode="wrap"))
        began = time.perf_counter()
        search(part, tf.constant(count))
        seconds.append(time.perf_counter() - began)
    return round(1000 * float(np.median(seconds[1:])), 3)
