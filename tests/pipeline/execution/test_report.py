"""The end of a run in words, from what its steps reported."""

from pathlib import Path
from typing import Any

from dataplane.artifacts import InfraBlessing, PushedModel, ServingModel
from dataplane.artifacts.infra_blessing import InfraVerdict
from dataplane.artifacts.pushed_model import Push
from dataplane.artifacts.serving_model import ExpectedAnswers, IndexReport
from pipeline.execution.metadata import Execution, Run, Step, Store
from pipeline.execution.report import summary


def execution(node: str, **facts: Any) -> Execution:
    empty: dict[str, Any] = {key: {} for key in ("inputs", "params", "libraries")} | {"outputs": []}
    return Execution(node, "e1", node, "", run="r", started="", seconds=1.0, facts=facts, **empty)


def told(store: Store, executions: dict[str, Execution], *steps: Step) -> str:
    """The summary, with one blank between words: how columns are laid out is no matter here."""
    run = Run(id="r", config="toy.yaml", pid=0, steps=list(steps))
    return " ".join(summary(store, run, executions, ["--root", "r"]).split())


def test_only_cached_steps_are_nothing_to_do(tmp_path: Path) -> None:
    store, cached, run = Store(tmp_path, "toy"), Step("Trainer", "cached"), Step("Pusher", "run", seconds=2.5)
    assert told(store, {}, cached).startswith("Nothing to do: all 1 steps are done")
    text = told(store, {}, cached, run)
    assert text == f"Steps 1 in 2.5 s, cached: Trainer Artifacts {tmp_path / 'toy'}"


def test_the_report_is_named_where_there_is_one(tmp_path: Path) -> None:
    store = Store(tmp_path, "toy")
    file = store.report_file(Run(id="r", config="toy.yaml", pid=0))
    file.parent.mkdir(parents=True)
    file.touch()
    assert told(store, {}, Step("Trainer", "cached")).endswith(f"Report {file} Artifacts {store.directory}")


def test_what_the_data_and_the_catalogue_told_is_shown_each_time(tmp_path: Path) -> None:
    text = told(
        Store(tmp_path, "toy"),
        {
            "ExampleGen": execution("ExampleGen", candidates=50, notes=["2 of 9 rows"]),
            "ExampleValidator": execution("ExampleValidator", candidates="describe 50 % of ids", notes=["warning: x"]),
            "CatalogueGen": execution("CatalogueGen", candidates=1200, added=30, removed=4),
        },
        Step("ExampleValidator", "cached"),
    )
    assert "Data candidates describe 50 % of ids 2 of 9 rows warning: x " in text
    assert "Catalogue 1,200 candidates: 30 not in the training's, 4 of its removed" in text


def test_the_window_is_told(tmp_path: Path) -> None:
    spans = {"first": "2026-11-20", "last": "2026-11-22", "spans": 2, "read": ["2026-11-22"], "missing": ["2026-11-21"]}
    text = told(Store(tmp_path, "toy"), {"ExampleGen": execution("ExampleGen", spans=spans)}, Step("Trainer", "run"))
    assert "Data spans 2026-11-20 to 2026-11-22, 2 spans, 1 read, 1 missing " in text


def test_a_push_is_told_of_with_the_way_to_ask_and_its_words_only_when_new(tmp_path: Path) -> None:
    store = Store(tmp_path, "toy")
    executions = {node: execution(node) for node in ("ScannIndexer", "InfraValidator", "Pusher")}
    serving = ServingModel(store.output(executions["ScannIndexer"], "serving_model"))
    infra = InfraBlessing(store.output(executions["InfraValidator"], "infra_blessing"))
    pushed = PushedModel(store.output(executions["Pusher"], "pushed_model"))
    for artifact, document in (
        (serving, IndexReport.model_validate(INDEX)),
        (serving, ExpectedAnswers.model_validate([{"query_id": "a b", "candidate_ids": [], "scores": []}])),
        (infra, InfraVerdict.model_validate(INFRA)),
        (pushed, Push(version=17, exact="/s/toy/17", scann="/s/toy-scann/17", new=True, told="rolled back from")),
    ):
        artifact.path.mkdir(parents=True, exist_ok=True)
        document.write(artifact)
    made = Step("Pusher", "run", execution="e1")
    text = told(store, executions, made)
    for line in (
        "Index 30 candidates, tree; against exact search: recall@10 0.9500 one query: 0.25 ms, exact 0.50 ms",
        "exact 200 MiB 3.00 ms 1.5 s 2.0 MiB",
        "Published version 17 /s/toy-scann/17 /s/toy/17 (exact, stock TensorFlow) rolled back from",
        "Ask it python -m pipeline recommend toy --root r --query-id 'a b'",
    ):
        assert line in text
    for step in (Step("Pusher", "cached", execution="e1"), Step("Pusher", "run", execution="another")):
        assert "rolled back from" not in told(store, executions, step)


INDEX = {
    "candidates": 30, "dimension": 8, "search": "tree", "settings": None, "top_k": 10, "queries": 9,
    "target": {"k": 10, "recall": 0.95, "reached": 0.96}, "recall": {"recall@10": 0.95}, "build_seconds": 1.0,
    "latency_ms": {"scann": 0.25, "exact": 0.5}, "query_index": None, "bytes": {"exact": 2 << 20},
    "tuning": {"queries": 9, "chosen": {"recall": 1, "assured": 1, "cost_us": 1}, "builds": [], "curve": []},
}  # fmt: skip
INFRA = {
    "blessed": True,
    "models": {"exact": {"memory_bytes": 200 << 20, "latency_ms": 3.0, "load_seconds": 1.5, "warm_up_seconds": 1}},
}
