"""What is read of a run, of one that ended early, and of the runs before it."""

import json

from dataplane.artifacts.anomalies import AnomalyList
from dataplane.artifacts.blessing import Verdict
from dataplane.artifacts.pushed_model import Push
from pipeline.reporting.collecting import collect
from tests.pipeline.reporting.small_run import ANOMALY, CHECKS, HOSTILE, NODES, Runs, documents


def test_a_whole_run_has_all_of_its_documents(runs: Runs) -> None:
    facts = collect(runs.store, runs.add("r1"))
    missing = [name for name, value in vars(facts.documents).items() if value in (None, ())]
    assert missing == ["final_training", "catalogue"]
    assert list(facts.executions) == list(NODES)
    assert facts.main_metric == "ndcg@10"
    assert facts.unread == ()


def test_what_a_refusing_step_left_is_read_too(runs: Runs) -> None:
    wrote = {("ExampleValidator", "anomalies"): [AnomalyList.model_validate([ANOMALY])]}
    run = runs.add("r1", wrote=wrote, state="refused", message="drift", ended_by="ExampleValidator")
    facts = collect(runs.store, run)
    assert [it.message for it in facts.documents.anomalies] == [HOSTILE]
    assert "ExampleValidator" not in facts.executions
    assert facts.documents.metrics is None
    assert facts.main_metric == ""


def test_a_damaged_document_is_named_and_left_out(runs: Runs) -> None:
    run = runs.add("r1")
    file = runs.store.execution_directory("Evaluator", "e-r1") / "evaluation" / "metrics.json"
    file.write_text("{")
    facts = collect(runs.store, run)
    assert facts.documents.metrics is None
    assert facts.documents.answers is not None
    assert len(facts.unread) == 1
    assert str(file) in facts.unread[0]


def test_what_an_older_release_did_not_write_is_left_out_in_silence(runs: Runs) -> None:
    run = runs.add("r1")
    (runs.store.execution_directory("Evaluator", "e-r1") / "evaluation" / "answers.json").unlink()
    facts = collect(runs.store, run)
    assert facts.documents.answers is None
    assert facts.unread == ()


def test_a_run_is_compared_with_the_one_that_published_what_was_served(runs: Runs) -> None:
    for name, version in (("r1", 3), ("r2", 5)):
        runs.add(name, wrote=documents(version=version))
    refused = runs.add("r3", state="refused", ended_by="Pusher")
    runs.add("r4", wrote=documents(version=3))
    served = collect(runs.store, refused).served
    assert served is not None
    assert (served.run.id, served.version) == ("r1", 3)


def test_without_a_comparison_the_newest_version_before_the_run_was_served(runs: Runs) -> None:
    runs.add("r1", wrote=documents(version=3))
    old = documents(version=5)
    old[("Pusher", "pushed_model")] = [Push(version=3, exact="/e", scann="/s", new=False)]
    runs.add("r2", wrote=old)
    wrote = documents(version=6)
    wrote[("Evaluator", "blessing")] = [Verdict.model_validate({**CHECKS, "served": {}})]
    served = collect(runs.store, runs.add("r3", wrote=wrote)).served
    assert served is not None
    assert served.run.id == "r1"


def test_the_first_run_has_nothing_before_it(runs: Runs) -> None:
    facts = collect(runs.store, runs.add("r1"))
    assert facts.served is None
    assert facts.other_data is None


def test_other_data_are_those_of_the_newest_run_with_other_statistics(runs: Runs) -> None:
    runs.add("r1", wrote=documents(mean=1))
    runs.add("r2", wrote=documents(mean=2))
    runs.add("r3", wrote=documents(mean=3))
    found = collect(runs.store, runs.add("r4", wrote=documents(mean=3))).other_data
    assert found is not None
    assert found.run.id == "r2"


def test_a_step_that_was_removed_meanwhile_is_left_out(runs: Runs) -> None:
    run = runs.add("r1")
    runs.store.withdraw("Trainer", "e-r1")
    assert "Trainer" not in collect(runs.store, run).executions


def test_the_record_keeps_what_the_user_set(runs: Runs) -> None:
    runs.add("r1", settings={"training": {"max_epochs": 2}})
    (run,) = runs.store.runs()
    assert run.settings == {"training": {"max_epochs": 2}}
    file = runs.store.directory / "runs" / "r1.json"
    record = json.loads(file.read_text())
    del record["settings"]  # as of older releases
    file.write_text(json.dumps(record))
    assert runs.store.runs()[0].settings == {}
