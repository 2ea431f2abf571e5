"""Pairs of runs that a comparison finds differences in."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataplane.artifacts.answers import Answers
from dataplane.artifacts.document import Document, Rooted
from dataplane.artifacts.evaluation import Metrics
from pipeline.execution.metadata import Run
from pipeline.reporting.comparison.facts import Compared, collect_compared
from tests.pipeline.reporting.small_run import ANSWERS, MEASURED, Runs, documents

METRIC = "ndcg@10"


def evaluated(mean: float = 0.3, **changes: Any) -> dict[tuple[str, str], Sequence[Document | Rooted]]:
    """What a whole run wrote whose model has another NDCG, or whose metrics differ in `changes`."""
    test = {**MEASURED["test"], METRIC: mean, "coverage@10": 0.7}  # type: ignore[dict-item]
    wrote = documents()
    metrics = Metrics.model_validate({**MEASURED, "test": test, **changes})
    wrote[("Evaluator", "evaluation")] = [metrics, Answers.model_validate(ANSWERS)]
    return wrote


def store_values(runs: Runs, run: str, values: Mapping[str, float], **columns: Sequence[float]) -> None:
    """Stores the NDCG of each query of a run, and further columns."""
    directory = runs.store.execution_directory("Evaluator", f"e-{run}") / "evaluation"
    further = {name.replace("__", "."): pa.array(of, pa.float32()) for name, of in columns.items()}
    table = {"query_id": list(values), METRIC: pa.array(values.values(), pa.float32()), **further}
    pq.write_table(pa.table(table), directory / "per_query.parquet")


def collected(runs: Runs, *chosen: Run) -> list[Compared]:
    return collect_compared((runs.store, run) for run in chosen)
