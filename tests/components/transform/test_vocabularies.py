"""Vocabularies and statistics of a small world come from its training events only."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

from dataplane.artifacts import TransformGraph
from dataplane.dataset.sequences import Dataset
from models.spec.features import FeatureSpec
from tests.components.transform.small_world import (
    FEATURES,
    assert_same_files,
    events_in_order,
    graph_says,
    interactions,
    transform,
    vocabulary,
    write,
)


def test_id_and_context_vocabularies_come_from_the_training_events(
    world: tuple[Dataset, TransformGraph, pa.Table],
) -> None:
    dataset, graph, table = world
    ordered = events_in_order(table)
    train = [event for events in ordered.values() for event in (events[:-2] if len(events) > 2 else events)]
    for name, column in {"candidate.candidate_id": "candidate_id", "query.user": "query_id"}.items():
        assert vocabulary(graph, name) == Counter(event[column] for event in train)
    found = vocabulary(graph, "candidate.candidate_id")
    assert list(found.items()) == sorted(found.items(), key=lambda item: (-item[1], item[0].encode()))
    assert vocabulary(graph, "context.device") == Counter(event["device"] for event in train if event["device"])
    held_out = set(table["candidate_id"].to_pylist()) - set(found)
    tokens = dict(
        zip(dataset.candidates.ids.to_pylist(), dataset.candidates.columns["candidate_id"][:, 0], strict=True)
    )
    assert all(tokens[one] == 1 for one in held_out)
    assert [tokens[one] for one in found] == list(range(2, 2 + len(found)))


def test_rare_words_share_a_row(world: tuple[Dataset, TransformGraph, pa.Table]) -> None:
    dataset, graph, _ = world
    assert set(vocabulary(graph, "candidate.rare_words_apart")) == {"film", "of", "the", "émigré"}
    titles = {tuple(sorted(row[row > 0])) for row in dataset.candidates.columns["rare_words_apart"] if row.any()}
    assert titles == {(1, 2, 3, 4, 5)}, "each title has one number, which no other has"
    assert len(vocabulary(graph, "candidate.title")) > 50


def test_later_events_do_not_change_the_statistics(tmp_path: Path) -> None:
    table = interactions()
    late = pa.table(
        {
            **{n: table[n] for n in table.column_names},
            "timestamp": pa.array([2 * 10**15] * len(table), pa.timestamp("us", "UTC")),
        }
    )
    late = late.set_column(1, "candidate_id", pa.array([f"new {i}" for i in range(len(late))]))
    late = late.set_column(late.column_names.index("device"), "device", pa.array(["watch"] * len(late)))
    split: dict[str, object] = {"method": "time", "validation_from": "2001-09-10T00:00:00Z", "test_from": "2030-01-01"}
    features = FeatureSpec(
        query={"user": FEATURES.query["user"]},
        context={name: FEATURES.context[name] for name in ("device", "basket")},
    )
    outcomes = []
    for name, rows in {"before": table, "after": pa.concat_tables([table, late.slice(0, 300)])}.items():
        examples = write(tmp_path / name / "in", interactions=pa.concat_tables([rows, late.slice(300)]))
        outcomes.append(transform(examples, tmp_path / name / "out", split, features=features)[1])
    assert_same_files(outcomes[0].path, outcomes[1].path)
    before, after = (graph_says(graph, "context", table, features) for graph in outcomes)
    np.testing.assert_array_equal(after["basket"], before["basket"])
