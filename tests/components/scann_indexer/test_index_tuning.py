import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from components.scann_indexer import IndexConfig, RecallTarget
from components.scann_indexer.index_tuning import Tuned, Tuner
from models.retrieval.index import ExactSearch
from models.retrieval.index_recall import RecallMeter
from models.spec.progress import Advanced, Decided, Report


def vectors(count: int, *, seed: int, dim: int = 16) -> np.ndarray:
    centres = np.random.default_rng(99).normal(size=(60, dim))
    random = np.random.default_rng(seed)
    made = centres[random.integers(0, 60, count)] + 0.9 * random.normal(size=(count, dim))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def exact() -> ExactSearch:
    return ExactSearch(vectors(6000, seed=0))


def tune(exact: ExactSearch, *, answers: int = 10, k: int = 100, recall: float = 0.95, **config: Any) -> Tuned:
    settings = IndexConfig(
        recall_target=RecallTarget(k=k, recall=recall), **({"search": "tree", "tuning_budget": 0} | config)
    )
    return Tuner(settings, exact, vectors(300, seed=1), answers=answers, other_queries=300).tune()


def recall_on_other_queries(exact: ExactSearch, tuned: Tuned, count: int) -> float:
    meter = RecallMeter(exact, vectors(300, seed=2), (count,), asked=count)
    return float(meter.recall(tuned.search.search)[count].mean())


@pytest.mark.parametrize("target", [0.8, 0.95, 0.995])
def test_other_queries_reach_the_target_narrowly(exact: ExactSearch, target: float) -> None:
    tuned = tune(exact, recall=target)
    assert target <= recall_on_other_queries(exact, tuned, 10) <= target + 0.6 * (1 - target) + 0.01
    assert tuned.point.assured >= target


def test_a_higher_target_costs_more(exact: ExactSearch) -> None:
    costs = [tune(exact, recall=target).point.cost for target in (0.7, 0.9, 0.99)]
    assert costs == sorted(set(costs))


def test_only_the_best_k_answers_count(exact: ExactSearch) -> None:
    few, all_of_them = (tune(exact, answers=100, k=k, recall=0.98, leaves=77, dimensions_per_block=1) for k in (1, 100))
    assert few.point.cost < all_of_them.point.cost


def test_configured_settings_are_kept(exact: ExactSearch) -> None:
    given: dict[str, Any] = {
        "leaves": 40,
        "leaves_to_search": 7,
        "dimensions_per_block": 4,
        "anisotropic_threshold": 0.3,
        "reorder": 55,
    }
    tuned = tune(exact, tuning_budget=10**6, **given)
    assert tuned.search.settings is not None
    assert {name: getattr(tuned.search.settings, name) for name in given} == given
    assert len(tuned.builds) == 1


@pytest.mark.parametrize("knob", ["leaves_to_search", "reorder"])
def test_other_settings_compensate_for_a_configured_one(exact: ExactSearch, knob: str) -> None:
    tuned = tune(exact, recall=0.9, **{knob: 20})
    assert getattr(tuned.search.settings, knob) == 20
    assert recall_on_other_queries(exact, tuned, 10) >= 0.9


def test_the_budget_limits_the_trees_that_are_built(exact: ExactSearch) -> None:
    assert [len(tune(exact, tuning_budget=budget).builds) for budget in (0, 12_000)] == [1, 2]


def test_queries_and_each_tree_are_reported(exact: ExactSearch) -> None:
    reports: list[Report] = []
    queries = vectors(300, seed=1)
    settings = IndexConfig(search="tree", tuning_budget=0)
    tuned = Tuner(settings, exact, queries, answers=10, other_queries=300, progress=reports.append).tune()
    assert [report.done for report in reports if isinstance(report, Advanced)] == [256, 300]
    decisions = [report for report in reports if isinstance(report, Decided)]
    assert [decision.facts["recall"] for decision in decisions] == [build.recall for build in tuned.builds]
    assert decisions[0].text.startswith(f"tree of {tuned.builds[0].settings.leaves:,} leaves, ")


def test_the_cheapest_build_that_reaches_the_target_is_chosen(exact: ExactSearch) -> None:
    tuned = tune(exact, tuning_budget=24_000)
    reaching = [build.cost_us for build in tuned.builds if build.assured >= 0.95]
    assert tuned.point.facts()["cost_us"] == min(reaching)


@pytest.mark.parametrize(("candidates", "is_tree"), [(1, False), (15, False), (300, False), (60_000, True)])
def test_a_tree_is_chosen_where_it_is_faster(candidates: int, is_tree: bool) -> None:
    small_sample: dict[str, Any] = {"training_sample": 5000, "search": "auto"}
    tuned = tune(ExactSearch(vectors(candidates, seed=0)), answers=min(10, candidates), recall=0.9, **small_sample)
    assert (tuned.search.settings is not None) == is_tree


def test_no_tree_reaches_a_recall_of_one(exact: ExactSearch) -> None:
    tuned = tune(exact, recall=1.0, search="auto")
    assert tuned.search.settings is None
    assert recall_on_other_queries(exact, tuned, 10) == 1.0


def test_few_tuning_queries_widen_the_search(exact: ExactSearch) -> None:
    config = IndexConfig(recall_target=RecallTarget(recall=0.9), search="tree", tuning_budget=0)
    costs = [
        Tuner(config, exact, vectors(count, seed=1), answers=10, other_queries=count).tune().point.cost
        for count in (10, 300)
    ]
    assert costs[0] > costs[1]


_BUILD = """
import hashlib, json, sys
import numpy as np
from tests.components.scann_indexer.test_index_tuning import tune, vectors
from models.retrieval.index import ExactSearch
tuned = tune(ExactSearch(vectors(6000, seed=0)))
digest = hashlib.sha256(b"".join(np.asarray(part.numpy()).tobytes() for part in tuned.search.state.variables
                                 if part.dtype != "string"))
digest.update(b"".join(part.numpy()[0] for part in tuned.search.state.variables if part.dtype == "string"))
print(json.dumps([digest.hexdigest(), str(tuned.search.settings), tuned.point.facts()]))
"""


def test_two_processes_build_the_same_bit_for_bit() -> None:
    runs = [subprocess.Popen([sys.executable, "-c", _BUILD], stdout=subprocess.PIPE) for _ in range(2)]
    first, second = (json.loads(run.communicate(timeout=300)[0].splitlines()[-1]) for run in runs)
    assert first == second
