"""Runs as records and artifacts on the disk, without anything that made them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataplane.artifacts import Artifact
from dataplane.artifacts.anomalies import AnomalyList
from dataplane.artifacts.answers import Answers
from dataplane.artifacts.blessing import Verdict
from dataplane.artifacts.document import Document, Rooted
from dataplane.artifacts.evaluation import Metrics
from dataplane.artifacts.examples import IngestSummary
from dataplane.artifacts.infra_blessing import InfraVerdict
from dataplane.artifacts.model import TrainingReport
from dataplane.artifacts.pushed_model import Push
from dataplane.artifacts.serving_model import IndexReport
from dataplane.artifacts.statistics import StatisticsReport
from pipeline.execution.metadata import Execution, Run, Step, Store
from tests.dataplane.artifacts.test_documents import DOCUMENTS, METRICS

HOSTILE = "<script>document.title='taken'</script>\"'&"
"""A title that takes over the page if it is not escaped."""

NODES: dict[str, tuple[str, ...]] = {
    "ExampleGen": ("examples",),
    "StatisticsGen": ("statistics",),
    "ExampleValidator": ("anomalies",),
    "Trainer": ("model",),
    "Evaluator": ("evaluation", "blessing"),
    "ScannIndexer": ("serving_model",),
    "InfraValidator": ("infra_blessing",),
    "Pusher": ("pushed_model",),
}


def example(kind: type[Document | Rooted]) -> Any:
    """The content of a document that has all of its fields."""
    return next(content for of, content in DOCUMENTS if of is kind)


MEANS = {"recall@1": 0.1, "recall@10": 0.5, "ndcg@10": 0.3, "mrr@10": 0.2}
LESS = {name: value / 2 for name, value in MEANS.items()}
SLICE = {"queries": 1, **MEANS}
MEASURED = METRICS | {
    "collapsed": "",
    "test": MEANS,
    "baselines": {"popularity": LESS, "item_knn": {"skipped": "too many pairs"}},
    "published": METRICS["published"] | {"test": LESS, "model": MEANS, "intervals": {"ndcg@10": [0.1, 0.2]}},  # type: ignore[operator]
    "intervals": {
        "level": 0.95, "resamples": 1000, "test": {"ndcg@10": [0.25, 0.35]},
        "test_minus_popularity": {"ndcg@10": [0.1, 0.2]},
    },
    "slices": {
        "history_length": {"0": SLICE | {"ndcg@10": 0.5}, "1-4": {"queries": 3, **LESS}},
        "query": {"known": SLICE}, "candidate": {},
        "features": {"country": {"nl": SLICE | {"ndcg@10": 0.31}, HOSTILE: SLICE | {"ndcg@10": 0.29}}},
    },
}  # fmt: skip
ANSWERS = {
    "k": 2, "queries": 4, "recommended": 2,
    "bands": [
        {"candidates": 1, "training_events": 9, "answers": 6}, {"candidates": 1, "training_events": 1, "answers": 2},
        {"candidates": 1, "training_events": 0, "answers": 0},
    ],
    "favourites": [{"candidate_id": "a", "answers": 3}, {"candidate_id": "b", "answers": 1}],
    "map": {
        "explained": [0.6, 0.3],
        "places": [{"candidate_id": name, "x": x, "y": -x} for x, name in enumerate(["a", "b", "c"])],
    },
    "examples": [{
        "query_id": "q1", "history": ["c"], "answers": ["a", "b"],
        "wanted": [{"candidate_id": "b", "rank": 2}, {"candidate_id": "c", "rank": None}],
    }],
}  # fmt: skip
TRAINING = {
    "steps": 20, "events": 100, "batch_size": 8, "loss": "full_softmax", "temperature": 0.1, "labels": "next",
    "tried": [
        {"temperature": 0.1, "labels": "next", "ndcg@10": 0.2}, {"temperature": 0.2, "labels": "next", "ndcg@10": 0.1},
    ],
    "metric": "ndcg@10", "validation": {"ndcg@10": 0.3}, "validation_queries": 4, "notes": ["a note"],
    "embedding_dim": 4, "parameters": 50, "seconds": 1.5, "milliseconds_per_step": 2.5,
    "curve": [{"step": 10 * n, "epoch": n, "loss": 3.0 - n, "seconds": n, "ndcg@10": n / 10} for n in (1, 2, 3)],
}  # fmt: skip
POINT = {"reorder": 10, "assured": 0.9, "cost_us": 5.0, "latency_ms_batch_64": 0.1}
INDEX = example(IndexReport) | {
    "settings": example(IndexReport)["settings"] | {"leaves_to_search": 2},
    "tuning": {
        "queries": 5, "chosen": {"recall": 0.9, "assured": 0.9, "cost_us": 5.0}, "builds": [],
        "curve": [
            POINT | {"leaves_to_search": leaves, "recall": recall, "latency_ms_batch_1": leaves / 10}
            for leaves, recall in ((1, 0.7), (2, 0.9), (3, 1.0))
        ],
    },
}  # fmt: skip
CHECKS: dict[str, Any] = {
    "blessed": True,
    "checks": [
        {
            "name": "lift", "metric": "ndcg@10", "value": 2.0, "threshold": 1.5, "passed": True,
            "message": "twice popularity: passed",
        },
    ],
    "served": {"version": 3},
}  # fmt: skip


def column(*values: str) -> dict[str, Any]:
    """Statistics of a string column."""
    counts = {value: values.count(value) for value in dict.fromkeys(values)}
    top = [{"value": value, "count": count} for value, count in counts.items()]
    return {
        "type": "string", "missing": 0, "elements": len(values), "distinct": len(counts), "exact": True,
        "top_values": top,
    }  # fmt: skip


def numbers(mean: float) -> dict[str, Any]:
    """Statistics of a column of numbers."""
    buckets = [{"low": float(low), "high": low + 1.0, "count": 2.0 + low * mean} for low in range(3)]
    return {
        "type": "float64", "missing": 1, "missing_fraction": 0.25, "elements": 3, "distinct": 3, "exact": True,
        "min": 0, "max": 3, "mean": mean, "std": 1.0, "histogram": buckets,
    }  # fmt: skip


def statistics(mean: float = 1.0) -> dict[str, Any]:
    """Statistics of three tables; another mean makes them those of other data."""
    return {
        "interactions": {
            "rows": 10,
            "columns": {"price.[0] \\": numbers(mean), "bool": numbers(0.25) | {"type": "bool"}},
        },
        "candidates": {
            "rows": 3,
            "columns": {
                "candidate_id": column("a", "b", "c"),
                "title": column(HOSTILE, "Bé", "C"),
                "genre": column("x", "x", HOSTILE),
            },
        },
    }


CANDIDATES = pa.table(
    {
        "candidate_id": ["a", "b", "c", "unused"],
        "title": [HOSTILE, "Bé", None, "D"],
        "genre": [["x"], ["x", "y"], [HOSTILE], []],
    }
)


def documents(mean: float = 1.0, version: int = 4) -> dict[tuple[str, str], Sequence[Document | Rooted]]:
    """What a whole run wrote, by step and output."""
    return {
        ("ExampleGen", "examples"): [IngestSummary.model_validate(example(IngestSummary))],
        ("StatisticsGen", "statistics"): [StatisticsReport.model_validate(statistics(mean))],
        ("ExampleValidator", "anomalies"): [AnomalyList.model_validate([ANOMALY])],
        ("Trainer", "model"): [TrainingReport.model_validate(TRAINING)],
        ("Evaluator", "evaluation"): [Metrics.model_validate(MEASURED), Answers.model_validate(ANSWERS)],
        ("Evaluator", "blessing"): [Verdict.model_validate(CHECKS)],
        ("ScannIndexer", "serving_model"): [IndexReport.model_validate(INDEX)],
        ("InfraValidator", "infra_blessing"): [InfraVerdict.model_validate(example(InfraVerdict))],
        ("Pusher", "pushed_model"): [Push(version=version, exact="/e", scann="/s", new=True)],
    }


ANOMALY = {
    "table": "interactions", "column": "price.[0] \\", "kind": "drift", "severity": "warning", "message": HOSTILE,
}  # fmt: skip


@dataclass
class Runs:
    """A pipeline under a root, to which runs are added.

    Attributes:
        root: where it is.
        store: its records.
    """

    root: Path
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(self.root, "toy")

    def add(
        self,
        name: str,
        *,
        wrote: Mapping[tuple[str, str], Sequence[Document | Rooted]] | None = None,
        params: Mapping[str, Mapping[str, Any]] | None = None,
        state: str = "done",
        message: str = "",
        ended_by: str = "",
        settings: Mapping[str, Any] | None = None,
    ) -> Run:
        """Adds a run.

        Args:
            name: its id.
            wrote: documents of its steps; those of a whole run if absent.
            params: of its steps.
            state: how it ended.
            message: why.
            ended_by: the step that it ended with; all are run if empty.
            settings: what the user set.
        """
        steps, over = [], False
        for node in NODES:
            ends = node == ended_by
            outcome = "waiting" if over else state if ends else "run"
            steps.append(Step(node, outcome, "" if over else f"e-{name}", 0.0 if over else 1.5))
            if not over:
                self._execute(name, node, documents() if wrote is None else wrote, params or {}, whole=not ends)
            over = over or ends
        run = Run(
            name, "/toy.yaml", 1, "2026-11-29T08:00:00+00:00", "2026-11-29T08:02:05+00:00", state, message, steps,
            dict(settings or {}),
        )  # fmt: skip
        (self.store.directory / "runs").mkdir(parents=True, exist_ok=True)
        self.store.save_run(run)
        return run

    def _execute(
        self,
        run: str,
        node: str,
        wrote: Mapping[tuple[str, str], Sequence[Document | Rooted]],
        params: Mapping[str, Mapping[str, Any]],
        *,
        whole: bool,
    ) -> None:
        for output in NODES[node]:
            artifact = Artifact(self.store.execution_directory(node, f"e-{run}") / output)
            artifact.path.mkdir(parents=True)
            for document in wrote.get((node, output), ()):
                document.write(artifact)
            if node == "ExampleGen":
                (artifact.path / "candidates").mkdir()
                pq.write_table(CANDIDATES, artifact.path / "candidates" / "part-00000.parquet")
        if whole:
            inputs = {"examples": f"ExampleGen/e-{run}/examples"} if node != "ExampleGen" else {}
            self.store.commit(
                Execution(
                    node,
                    f"e-{run}",
                    node,
                    "f" * 64,
                    inputs,
                    list(NODES[node]),
                    dict(params.get(node, {})),
                    {"numpy": "2.0"},
                    {},
                    run,
                    "2026-11-29T08:00:00+00:00",
                    1.5,
                )
            )
