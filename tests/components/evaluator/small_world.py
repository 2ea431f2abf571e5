"""A small world computed by hand: six candidates a…f; the model has learnt only that d follows c."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.evaluator import Evaluator, EvaluatorParams
from dataplane.artifacts import Blessing, Evaluation, Model, TransformedExamples, TransformGraph
from dataplane.artifacts.transformed_examples import DatasetMetadata
from dataplane.dataset.sequences import SPLITS, Dataset, Entities, Events, Split, write_dataset
from models.spec.features import FeatureSpec
from models.spec.progress import Report
from tests.components.tiny_towers import save_towers
from tests.contexts import in_process

A, B, C, D, E, F = range(6)
AT = (1, 5, 100)
FEATURES = FeatureSpec.model_validate(
    {
        "query": {"gender": {"type": "categorical"}, "age": {"type": "numeric"}},
        "context": {"at": {"type": "timestamp", "parts": ["weekday"]}},
        "candidate": {"genres": {"type": "categorical", "max_values": 2}},
        "history": {"max_length": 2},
    }
)
COMEDY, DRAMA = 2, 3


def column(*values: int) -> np.ndarray:
    return np.array(values, np.int32)[:, None]


def events(*queries: dict[Split, list[int]]) -> Events:
    """Events of each query in the order of the splits; the context of event i is token i + 1."""
    rows = [
        [(c, SPLITS.index(split)) for split in ("train", "validation", "test") for c in q.get(split, [])]
        for q in queries
    ]
    flat = [event for row in rows for event in row]
    return Events(
        offsets=np.cumsum([0, *map(len, rows)]),
        candidate=np.array([candidate for candidate, _ in flat], np.int32),
        split=np.array([split for _, split in flat], np.int8),
        timestamp=np.arange(len(flat), dtype=np.int64) * 1_000_000,
        context={"at_weekday": column(*(i % 7 + 1 for i in range(len(flat))))},
    )


WORLD = events(
    {"train": [A, B], "validation": [C], "test": [D]},
    {"train": [A, C], "validation": [B], "test": [E]},
    {"train": [A], "validation": [B], "test": [A]},  # comes back to what it has seen
    {"test": [F, B, F]},  # new, and wants one candidate twice
)


def dataset(of: Events = WORLD) -> Dataset:
    queries = len(of.offsets) - 1
    return Dataset(
        events=of,
        queries=Entities(
            pa.array([f"q{i}" for i in range(queries)], pa.large_string()),
            {"gender": column(*([2, 3, 2, 0] * queries)[:queries])},
        ),
        candidates=Entities(
            pa.array(list("abcdef"), pa.large_string()),
            {
                "candidate_id": column(2, 3, 4, 5, 6, 7),
                "genres": np.array([[2, 0], [2, 3], [3, 0], [3, 0], [0, 0], [1, 0]], np.int32),
            },
        ),
        train_count=np.bincount(of.candidate[of.split == 0], minlength=6),
        metadata=DatasetMetadata(ordered=True, split={"type": "files"}),
    )


def towers(path: Path, weights: np.ndarray) -> Model:
    return save_towers(path, weights, width=2, query_columns=("gender", "at_weekday"), candidate_columns=("genres",))


class Run:
    """An evaluation of some events in its own directory."""

    def __init__(
        self, path: Path, graph: TransformGraph, model: Model, *, of: Dataset | None = None, **params: Any
    ) -> None:
        self.evaluation, self.blessing = Evaluation(path / "evaluation"), Blessing(path / "blessing")
        examples = TransformedExamples(path / "examples")
        write_dataset(examples, of or dataset())
        evaluator = Evaluator(EvaluatorParams.model_validate(params))
        self.reports: list[Report] = []
        self.facts = evaluator.execute(
            Evaluator.Inputs(transformed_examples=examples, transform_graph=graph, model=model),
            Evaluator.Outputs(evaluation=self.evaluation, blessing=self.blessing),
            in_process(scratch=path / "scratch", progress=self.reports.append),
        )
        self.metrics = self.evaluation.read_json("metrics.json")
        self.blessed = self.blessing.read_json("blessing.json")


CONFIG = {
    "at": AT,
    "main_at": 5,
    "slices": ("gender", "at", "genres"),
    "thresholds": {"recall@1": 0.3, "ndcg@5": 0.9},
    "min_lift_over_popularity": {"mrr@5": 1.5, "recall@1": 2},
}
EVERY_GATE_OFF = {"at": AT, "main_at": 5, "min_lift_over_popularity": None, "min_lift_over_published": None}
