"""What the table of steps tells of small runs."""

from dataclasses import replace

import pytest

from pipeline.reporting.collecting import collect
from pipeline.reporting.facts import RunFacts
from pipeline.reporting.page import render
from pipeline.reporting.sections import chain, verdict
from tests.pipeline.reporting.small_run import Runs


@pytest.fixture
def facts(runs: Runs) -> RunFacts:
    return collect(runs.store, runs.add("r1"))


def test_a_step_at_work_is_running(runs: Runs) -> None:
    run = runs.add("r1", state="running", ended_by="Trainer")
    at_work = next(step for step in run.steps if step.node == "Trainer")
    at_work.state = "waiting"
    facts = collect(runs.store, run)
    view = chain.build(facts)
    assert view is not None
    states = {step.node: step.state for step in view.steps}
    assert (states["StatisticsGen"], states["Trainer"], states["Evaluator"]) == ("run", "running", "waiting")
    assert verdict.build(facts).headline == "Still running, Trainer is at work"


def test_the_chain_tells_of_cached_steps_and_what_they_read(runs: Runs) -> None:
    runs.add("r1")
    run = runs.add("r2")
    run.steps[0].state, run.steps[0].execution, run.steps[0].seconds = "cached", "e-r1", 0.0
    view = chain.build(collect(runs.store, run))
    assert view is not None
    first, second = view.steps[:2]
    assert (first.state, first.took) == ("cached", "")
    assert second.inputs == ("ExampleGen/e-r2/examples",)  # not the one that stands for this run's step
    assert view.steps[1].took == "1.5 s"
    assert view.libraries == {"numpy": "2.0"}


def test_steps_tell_what_they_took(facts: RunFacts) -> None:
    trained = replace(facts.executions["Trainer"], resources={"cpu_seconds": 2.55, "peak_memory_bytes": 3 << 30})
    view = chain.build(told := replace(facts, executions={**facts.executions, "Trainer": trained}))
    assert view is not None
    assert {step.node: step.used for step in view.steps if step.used} == {"Trainer": "2.5 CPU-seconds, 3,072 MiB"}
    assert "2.5 CPU-seconds, 3,072 MiB" in render(told)


def test_an_address_of_the_run_itself_has_no_id(facts: RunFacts) -> None:
    view = chain.build(facts)
    assert view is not None
    assert view.steps[1].inputs == ("ExampleGen/examples",)
