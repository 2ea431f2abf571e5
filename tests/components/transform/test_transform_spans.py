"""Transform over a window: events of known spans are not divided again, and the result is that of reading all rows."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.transform import Transform, TransformParams
from components.transform.span_events import shards_for
from dataplane.artifacts import Examples, Schema, TransformedExamples, TransformGraph
from dataplane.artifacts.examples import SpanOfExamples, WindowOfExamples
from dataplane.parts import Parts
from tests.components.transform.small_world import FEATURES, assert_same_files, entity_tables, interactions, write
from tests.contexts import in_process

ROWS = 150


def window(directory: Path, *spans: int, known: bool = True) -> Examples:
    """Examples of spans with two pieces, the second of which has no rows; `known` tells where the spans are."""
    examples = write(directory, **entity_tables())
    (directory / "interactions").mkdir()
    for place, span in enumerate(spans):
        table = interactions(ROWS, seed=span)
        pq.write_table(table, directory / f"interactions/part-{2 * place:05d}.parquet", row_group_size=60)
    if known:
        listed = [SpanOfExamples(span=str(span), rows=ROWS, dead=0, filtered=0, pieces=2) for span in spans]
        WindowOfExamples(span=str(spans[-1]), missing=(), spans=tuple(listed)).write(examples)
    return examples


def transform(examples: Examples, out: Path, parts: Parts | None = None, **params: object) -> Path:
    """Runs Transform; returns the directory of its outputs."""
    settings = {"features": FEATURES, "split": {"method": "leave_last_n"}, **params}
    Transform(TransformParams.model_validate(settings)).execute(
        Transform.Inputs(examples, Schema(out)),
        Transform.Outputs(TransformGraph(out / "graph"), TransformedExamples(out / "examples")),
        in_process(scratch=out.with_name(f"{out.name}-scratch"), parts=parts),
    )
    return out


@pytest.mark.parametrize("split", [{"method": "leave_last_n"}, {"method": "time"}], ids=lambda split: split["method"])
def test_a_window_divides_new_spans_and_equals_a_cold_run(tmp_path: Path, split: dict[str, str]) -> None:
    first, second = Parts(tmp_path / "parts"), Parts(tmp_path / "parts")
    transform(window(tmp_path / "in-1", 1, 2), tmp_path / "night-1", first, split=split)
    found = transform(window(tmp_path / "in-2", 2, 3), tmp_path / "night-2", second, split=split)
    assert (len(first.used), len(second.used - first.used)) == (2, 1)
    whole = transform(window(tmp_path / "in-3", 2, 3, known=False), tmp_path / "whole", split=split)
    assert_same_files(found, whole)


def test_other_columns_are_divided_anew(tmp_path: Path) -> None:
    first, second = Parts(tmp_path / "parts"), Parts(tmp_path / "parts")
    examples = window(tmp_path / "in", 1, 2)
    transform(examples, tmp_path / "one", first)
    transform(examples, tmp_path / "other", second, features={})
    assert not first.used & second.used


def test_explicit_shards_are_kept_to(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "parts")
    examples = window(tmp_path / "in", 1, 2)
    assert_same_files(transform(examples, tmp_path / "one", parts, shards=3), transform(examples, tmp_path / "two"))
    assert not parts.used


@pytest.mark.parametrize(("wanted", "shards"), [(1, 1), (2, 2), (3, 4), (21, 32), (64, 64), (65, 64)])
def test_shards_are_runs_of_buckets(wanted: int, shards: int) -> None:
    assert shards_for(wanted) == shards
