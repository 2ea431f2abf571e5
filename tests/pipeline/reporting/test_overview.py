"""What sums up the runs of a pipeline."""

from dataplane.artifacts.blessing import Verdict
from dataplane.artifacts.evaluation import Metrics
from pipeline.reporting.overview import overviews
from tests.pipeline.reporting.small_run import CHECKS, LESS, MEANS, MEASURED, Runs, documents


def test_a_run_has_its_metric_verdict_and_version(runs: Runs) -> None:
    (found,) = overviews(runs.store, [runs.add("r1")])
    assert (found.tone, found.outcome) == ("good", "Published as version 4")
    main = found.metrics[0]
    assert (main.name, main.value, main.bounds) == ("ndcg@10", MEANS["ndcg@10"], (0.25, 0.35))
    assert main.popularity == LESS["ndcg@10"]
    assert [it.name for it in found.metrics] == ["ndcg@10", "recall@10"]
    assert (found.blessed, found.verdict, found.version) == (True, "blessed", 4)


def test_the_metric_is_that_of_the_first_gate(runs: Runs) -> None:
    wrote = documents()
    checks = [{**check, "metric": "mrr@10"} for check in CHECKS["checks"]]
    wrote[("Evaluator", "blessing")] = [Verdict.model_validate({"blessed": False, "checks": checks})]
    wrote[("Evaluator", "evaluation")] = [Metrics.model_validate({**MEASURED, "baselines": {}})]
    (found,) = overviews(runs.store, [runs.add("r1", wrote=wrote, state="refused", ended_by="Pusher")])
    assert (found.metrics[0].name, found.metrics[0].popularity) == ("mrr@10", None)
    assert (found.verdict, found.version) == ("not blessed", None)


def test_a_run_without_results_has_none(runs: Runs) -> None:
    (found,) = overviews(runs.store, [runs.add("r1", wrote={}, state="failed", ended_by="ExampleGen")])
    assert (found.metrics, found.blessed, found.verdict, found.version) == ((), None, "", None)
    assert found.tone == "bad"


def test_the_reason_is_the_first_failed_check(runs: Runs) -> None:
    wrote = documents()
    checks = [{**check, "passed": False} for check in CHECKS["checks"]]
    wrote[("Evaluator", "blessing")] = [Verdict.model_validate({"blessed": False, "checks": checks})]
    run = runs.add("r1", wrote=wrote, state="refused", message="not blessed", ended_by="Pusher")
    (found,) = overviews(runs.store, [run])
    assert found.reason == "twice popularity: passed"


def test_a_damaged_document_counts_as_missing(runs: Runs) -> None:
    run = runs.add("r1")
    (runs.store.execution_directory("Evaluator", "e-r1") / "evaluation" / "metrics.json").write_text("{")
    (found,) = overviews(runs.store, [run])
    assert (found.metrics, found.blessed) == ((), True)
