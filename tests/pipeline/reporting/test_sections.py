"""What the sections tell of small runs."""

from dataclasses import replace
from typing import Any

import pytest

from dataplane.artifacts.answers import Answers
from dataplane.artifacts.blessing import Verdict
from dataplane.artifacts.evaluation import Metrics
from dataplane.artifacts.pushed_model import Push
from pipeline.execution.metadata import Run
from pipeline.reporting.collecting import collect
from pipeline.reporting.facts import RunFacts
from pipeline.reporting.page import render
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
from tests.pipeline.reporting.small_run import ANSWERS, CHECKS, HOSTILE, MEASURED, Runs, documents

SKIPPED = {
    "name": "lift", "metric": "ndcg@10", "value": None, "threshold": None, "passed": True, "message": "not compared",
    "skipped": "nothing is served",
}  # fmt: skip


@pytest.fixture
def facts(runs: Runs) -> RunFacts:
    return collect(runs.store, runs.add("r1", settings={"training": {"max_epochs": 2}}))


def seen(runs: Runs, **of_run: Any) -> verdict.VerdictView:
    run: Run = runs.add("r9", **of_run)
    return verdict.build(collect(runs.store, run))


def test_a_published_run_says_so_and_by_how_much(facts: RunFacts) -> None:
    view = verdict.build(facts)
    assert (view.tone, view.headline) == ("good", "Published as version 4")
    assert view.reason == (
        "ndcg@10 against version 3 on 2 queries: +0.1500 (+0.1000 … +0.2000), clearly better.",
        "ndcg@10 is 0.3000: 2 times popularity's 0.1500.",
    )
    assert [(it.name, it.value) for it in view.tiles][:3] == [
        ("ndcg@10", "0.3000"), ("against popularity", "× 2.00"), ("against version 3", "+0.1500"),
    ]  # fmt: skip
    assert view.tiles[0].note == "95% interval 0.2500 … 0.3500"
    assert [(gate.state, gate.text) for gate in view.gates] == [("passed", "twice popularity: passed")]
    assert view.when == "2026-11-29 08:00 UTC, 2 min 05 s"


@pytest.mark.parametrize(("bounds", "told"), [([-0.2, -0.1], "clearly worse"), ([-0.1, 0.3], "which may be chance")])
def test_a_difference_is_judged_by_its_interval(runs: Runs, bounds: list[float], told: str) -> None:
    wrote = documents()
    published = MEASURED["published"] | {"intervals": {"ndcg@10": bounds}}  # type: ignore[operator]
    wrote[("Evaluator", "evaluation")] = [Metrics.model_validate({**MEASURED, "published": published})]
    assert told in seen(runs, wrote=wrote).reason[0]


def test_a_refused_run_names_the_reason_first(runs: Runs) -> None:
    wrote = documents()
    failed = {**CHECKS["checks"][0], "passed": False, "message": "half of popularity: refused"}  # type: ignore[index]
    wrote[("Evaluator", "blessing")] = [Verdict.model_validate({"blessed": False, "checks": [failed, SKIPPED]})]
    view = seen(runs, wrote=wrote, state="refused", message="not blessed\nsee there", ended_by="Pusher")
    assert (view.tone, view.headline) == ("bad", "Refused by Pusher: nothing was published")
    assert view.reason == ("half of popularity: refused",)
    assert [(gate.state, gate.text) for gate in view.gates] == [("skipped", "not compared")]


def test_a_failed_run_tells_its_message(runs: Runs) -> None:
    view = seen(runs, wrote={}, state="failed", message="disk full\n\n  at /x", ended_by="Trainer")
    assert (view.tone, view.headline) == ("bad", "Failed in Trainer: nothing was published")
    assert view.reason == ("disk full", "at /x")
    assert view.tiles == ()


@pytest.mark.parametrize(
    ("push", "headline"),
    [
        (Push(version=4, exact="", scann="", new=False), "Nothing new: version 4 is already published"),
        (Push(version=3, exact="", scann="", new=True, withdrawn=True),
         "Not published again: version 3 stands since a rollback"),
    ],
)  # fmt: skip
def test_a_run_that_published_nothing_new_is_neutral(runs: Runs, push: Push, headline: str) -> None:
    view = seen(runs, wrote={**documents(), ("Pusher", "pushed_model"): [push]})
    assert (view.tone, view.headline) == ("neutral", headline)


def test_changes_are_told_against_the_served_version(runs: Runs) -> None:
    before: dict[str, dict[str, Any]] = {"Trainer": {"training": {"max_epochs": 15}, "seed": 1}, "Pusher": {"keep": 3}}
    after: dict[str, dict[str, Any]] = {
        "Trainer": {"training": {"max_epochs": 2}, "seed": 1},
        "Pusher": {"keep": 3, "to": "/x"},
    }
    first = documents(version=3)
    first[("StatisticsGen", "statistics")] = []
    runs.add("r1", wrote=first, params=before)
    view = changes.build(collect(runs.store, runs.add("r2", params=after)))
    assert view is not None
    assert (view.version, view.run) == (3, "r1")
    told = [(it.where, it.what, it.before, it.after) for it in view.changes]
    assert told == [
        ("Data", "interactions, rows", "–", "10"),
        ("Data", "candidates, rows", "–", "3"),
        ("Trainer", "training.max_epochs", "15", "2"),
        ("Pusher", "to", "–", "/x"),
    ]


def test_changes_of_a_first_run_say_that_there_is_nothing_before(facts: RunFacts) -> None:
    view = changes.build(facts)
    assert view is not None
    assert view.version is None


def test_metrics_have_intervals_around_what_they_are_of(facts: RunFacts) -> None:
    view = metrics.build(facts)
    assert view is not None
    assert view.columns == ("two-tower", "popularity", "served")
    assert view.skipped == ("item_knn: too many pairs",)
    rows = {row.name: row for row in view.rows}
    assert rows["ndcg@10"].cells == ("0.3000", "0.1500", "0.1500")
    assert rows["ndcg@10"].interval == "0.2500 … 0.3500"
    assert "two-tower: 0.3000 (0.2500 … 0.3500)" in view.charts["ndcg@10"]
    assert "popularity: 0.1500 (0.1000 … 0.2000)" in view.charts["ndcg@10"]
    assert "two-tower, recall@1: 0.1000" in view.charts["recall@k"]


@pytest.mark.parametrize("baseline", ["popularity", "item_knn"])
def test_the_bar_of_a_baseline_is_the_interval_of_its_difference(facts: RunFacts, baseline: str) -> None:
    intervals = {"level": 0.95, "resamples": 1000, "test": {}, f"test_minus_{baseline}": {"ndcg@10": [0.1, 0.2]}}
    measured = Metrics.model_validate({**MEASURED, "baselines": {baseline: MEASURED["test"]}, "intervals": intervals})
    view = metrics.build(replace(facts, documents=replace(facts.documents, metrics=measured)))
    assert view is not None
    assert f"{baseline}: 0.3000 (0.1000 … 0.2000)" in view.charts["ndcg@10"]


def test_after_a_final_fit_the_measured_model_is_not_the_one_to_publish(facts: RunFacts) -> None:
    assert verdict.build(facts).final_fit == ""
    documents = replace(facts.documents, final_training=facts.documents.training)
    page = render(replace(facts, documents=documents))
    assert "fitted to all events for 20 steps" in page
    assert page.index("fitted without the held-out events") < page.index("<main>")


def test_slices_are_sorted_by_how_much_they_cost(facts: RunFacts) -> None:
    view = slices.build(facts)
    assert view is not None
    told = [(row.name, round(row.harm, 4)) for row in view.rows]
    # history: the mean is (0.5 + 3 * 0.15) / 4, and three quarters are 0.0875 below it
    assert told == [("1-4", 0.0656), (HOSTILE, 0.005), ("nl", -0.005), ("0", -0.0656)]
    assert view.rows[0].reference == pytest.approx(0.2375)
    assert view.rows[0].share == 0.75


def test_training_names_trials_and_marks_the_chosen_weights(facts: RunFacts) -> None:
    view = training.build(facts)
    assert view is not None
    assert [(trial.name, trial.value, trial.chosen) for trial in view.trials] == [
        ("temperature 0.1, labels next", "0.2000", True), ("temperature 0.2, labels next", "0.1000", False),
    ]  # fmt: skip
    assert list(view.charts) == ["validation ndcg@10", "training loss"]
    assert "epoch 2, step 20: 0.2000" in view.charts["validation ndcg@10"]
    assert view.facts["loss"] == "full softmax"


def test_the_index_shows_its_curve(facts: RunFacts) -> None:
    view = index.build(facts)
    assert view is not None
    assert "2 leaves searched: recall 0.9000, 0.200 ms alone" in view.chart
    assert view.models[0].name == "exact"


def test_data_mark_anomalies_and_overlay_the_other_data(runs: Runs) -> None:
    runs.add("r1", wrote=documents(mean=2))
    view = data.build(collect(runs.store, runs.add("r2")))
    assert view is not None
    assert (view.previous, view.anomalies) == ("r1", 1)
    interactions, candidates = view.tables
    marked = interactions.columns[0]
    assert marked.name == "price.[0] \\"
    assert [it.message for it in marked.anomalies] == [HOSTILE]
    assert marked.facts == "25.0% missing, 3 distinct, 0 to 3, mean 1"
    assert "0 to 1: 2, 22.2%" in marked.chart
    assert "0 to 1: 2, 16.7%" in marked.chart  # of the other data
    of_bool = interactions.columns[1]
    assert "true: 25.00%, before 25.00%" in of_bool.chart
    genre = next(it for it in candidates.columns if it.name == "genre")
    assert "x: 66.67%, before 66.67%" in genre.chart


def test_data_say_why_anomalies_were_accepted(facts: RunFacts) -> None:
    validated = facts.executions["ExampleValidator"]
    accepted = replace(validated, facts={"accepted": "<b>the sale began"})
    view = data.build(facts_with := replace(facts, executions={**facts.executions, "ExampleValidator": accepted}))
    assert view is not None
    assert view.accepted == "<b>the sale began"
    assert "They were accepted: &lt;b&gt;the sale began." in render(facts_with)
    assert "They were accepted" not in render(facts)


def test_without_other_data_nothing_is_overlaid(facts: RunFacts) -> None:
    view = data.build(facts)
    assert view is not None
    assert view.previous == ""
    assert "before" not in view.tables[0].columns[1].chart


def test_exposure_tells_of_coverage_and_concentration(facts: RunFacts) -> None:
    view = exposure.build(facts)
    assert view is not None
    assert view.facts == {
        "recommended to anyone": "2 of 3 candidates, 66.7%",
        "the 2 most recommended": "50.0% of all places",
        "the less popular half": "0% of all places",
    }
    assert [(row.title, row.lists) for row in view.favourites] == [(HOSTILE, "75.0%"), ("Bé", "25.0%")]
    assert "answers, 1: 75.0%" in view.chart


def test_the_map_has_titles_and_categories(facts: RunFacts) -> None:
    view = candidate_map.build(facts)
    assert view is not None
    assert [name for name, _ in view.legend] == ["x", HOSTILE]
    assert "Bé · x" in view.chart
    assert view.explained == "90.0%"


def test_examples_are_told_by_title_with_hits(facts: RunFacts) -> None:
    view = examples.build(facts)
    assert view is not None
    (example,) = view.examples
    assert [it.title for it in example.history] == ["c"]
    assert [(it.title, it.hit) for it in example.answers] == [(HOSTILE, False), ("Bé", True)]
    assert [(it.title, it.note) for it in example.wanted] == [("Bé", "rank 2"), ("c", "far down")]
    assert view.with_hits == 1


def test_repeats_in_the_history_of_an_example_are_one_entry(runs: Runs) -> None:
    wrote = documents()
    answers = Answers.model_validate(ANSWERS)
    repeats = [it.model_copy(update={"history": ("b", "c", "b")}) for it in answers.examples]
    wrote["Evaluator", "evaluation"] = [
        Metrics.model_validate(MEASURED),
        answers.model_copy(update={"examples": repeats}),
    ]
    view = examples.build(collect(runs.store, runs.add("r1", wrote=wrote)))
    assert view is not None
    assert [(it.title, it.note) for it in view.examples[0].history] == [("Bé", "× 2"), ("c", "")]


def test_the_configuration_of_another_release_has_what_was_set(facts: RunFacts) -> None:
    view = configuration.build(facts)  # it has no `data`, which every release asks for
    assert view is not None
    assert [(it.key, it.value) for it in view.given] == [("training.max_epochs", "2")]
    assert view.defaults == ()


def test_a_run_that_wrote_nothing_has_no_sections_but_its_chain(runs: Runs) -> None:
    facts = collect(runs.store, runs.add("r1", wrote={}, state="failed", message="no", ended_by="ExampleGen"))
    sections = (changes, metrics, slices, training, index, data, exposure, candidate_map, examples, configuration)
    assert [section.build(facts) for section in sections] == [None] * len(sections)  # type: ignore[attr-defined]
    assert chain.build(facts) is not None
