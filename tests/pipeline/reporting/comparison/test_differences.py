"""Differences of runs in data, settings and libraries."""

from dataclasses import replace

from dataplane.artifacts.statistics import StatisticsReport
from pipeline.reporting.comparison.differences import DifferenceRow, differences, same_steps, unrecorded
from tests.pipeline.reporting.comparison.compared import collected
from tests.pipeline.reporting.small_run import NODES, Runs, documents, statistics

SETTINGS = {"name": "toy", "data": {"interactions": {"path": "x.csv"}}, "training": {"max_epochs": 2}}


def test_equal_runs_have_no_difference(runs: Runs) -> None:
    found = collected(runs, runs.add("r1", settings=SETTINGS), runs.add("r2", settings=SETTINGS))
    assert differences(found) == ()
    assert same_steps(found) == tuple(NODES)


def test_settings_that_differ_are_listed_with_their_keys(runs: Runs) -> None:
    other = {**SETTINGS, "training": {"max_epochs": 3}}
    found = collected(runs, *(runs.add(f"r{n}", settings=it) for n, it in enumerate([SETTINGS, SETTINGS, other])))
    assert differences(found) == (DifferenceRow("Settings", "training.max_epochs", ("2", "2", "3")),)


def test_a_run_of_an_older_release_has_no_recorded_settings(runs: Runs) -> None:
    other = {**SETTINGS, "training": {"max_epochs": 3}}
    settings = [None, SETTINGS, other]
    found = collected(runs, *(runs.add(f"r{n}", settings=it) for n, it in enumerate(settings)))
    assert differences(found) == (DifferenceRow("Settings", "training.max_epochs", ("–", "2", "3")),)
    assert differences(found[:2]) == ()
    assert unrecorded(found) == ("Run A is of an older release, which recorded no settings.",)


def test_a_run_that_failed_early_differs_in_no_data_and_no_library(runs: Runs) -> None:
    failed = runs.add("r2", wrote={}, state="failed", ended_by="ExampleGen")
    assert differences(collected(runs, runs.add("r1"), failed)) == ()


def test_data_that_differ_are_listed(runs: Runs) -> None:
    wrote, content = documents(), statistics()
    content["interactions"]["rows"] = 20
    del content["candidates"]["columns"]["genre"]
    wrote[("StatisticsGen", "statistics")] = [StatisticsReport.model_validate(content)]
    rows = differences(collected(runs, runs.add("r1"), runs.add("r2", wrote=wrote)))
    assert DifferenceRow("Data", "interactions, rows", ("10", "20")) in rows
    assert DifferenceRow("Data", "candidates.genre", ("string, 2 values, 0% missing", "–")) in rows
    assert (
        DifferenceRow("Data", "interactions.bool", ("bool, 3 values, 10.0% missing", "bool, 3 values, 5.0% missing"))
        in rows
    )


def test_libraries_that_differ_are_listed(runs: Runs) -> None:
    first, second = collected(runs, runs.add("r1"), runs.add("r2"))
    for execution in second.executions.values():
        execution.libraries["numpy"] = "2.1"
    assert differences([first, second]) == (DifferenceRow("Libraries", "numpy", ("2.0", "2.1")),)


def test_a_step_with_another_fingerprint_is_not_the_same(runs: Runs) -> None:
    first, second = collected(runs, runs.add("r1"), runs.add("r2"))
    trainer = replace(second.executions["Trainer"], fingerprint="e" * 64)
    second = replace(second, executions={**second.executions, "Trainer": trainer})
    assert same_steps([first, second]) == tuple(node for node in NODES if node != "Trainer")
