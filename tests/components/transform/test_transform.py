"""Transform on a small world: the output of Beam equals that of plain Python and of the saved module."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dataplane.artifacts import TransformGraph
from dataplane.artifacts.transformed_examples import LeftOut
from dataplane.columns.hashing import hash_strings
from dataplane.dataset.sequences import SPLITS, Dataset
from dataplane.errors import DataError
from models.spec.features import FeatureSpec, Side
from tests.components.transform.small_world import (
    assert_same_files,
    entity_tables,
    events_in_order,
    graph_says,
    interactions,
    moments,
    transform,
    write,
)


def test_events_are_grouped_by_query_and_ordered(world: tuple[Dataset, TransformGraph, pa.Table]) -> None:
    dataset, _, table = world
    expected = events_in_order(table)
    ids, offsets, candidates = (
        dataset.queries.ids.to_pylist(),
        dataset.events.offsets,
        dataset.candidates.ids.to_pylist(),
    )
    assert len(dataset.events) == len(table)
    all_moments = moments(dataset)
    for i, query in enumerate(ids):
        found = range(offsets[i], offsets[i + 1])
        events = expected.get(query, [])
        assert [candidates[dataset.events.candidate[e]] for e in found] == [event["candidate_id"] for event in events]
        seconds = [int(all_moments[e]) for e in found]
        assert seconds == [int(event["timestamp"].timestamp() * 1e6) for event in events]
        codes = [SPLITS[dataset.events.split[e]] for e in found]
        assert codes == ["train"] * (len(events) - 2) + ["validation", "test"] * (len(events) > 2) or len(events) < 3


def test_entities_are_complete_and_ordered(world: tuple[Dataset, TransformGraph, pa.Table]) -> None:
    dataset, _, table = world
    tables = entity_tables()
    queries = set(table["query_id"].to_pylist()) | set(tables["queries"]["query_id"].to_pylist())
    candidates = set(table["candidate_id"].to_pylist()) | set(tables["candidates"]["candidate_id"].to_pylist())
    assert dataset.candidates.ids.to_pylist() == sorted(candidates)
    hashes = hash_strings(dataset.queries.ids)
    assert (hashes[1:] > hashes[:-1]).all()
    assert set(dataset.queries.ids.to_pylist()) == queries
    train = dataset.events.select(["train"])
    assert dataset.train_count.tolist() == np.bincount(train.candidate, minlength=len(candidates)).tolist()


@pytest.mark.parametrize("side", ["query", "candidate"])
def test_encoded_entities_equal_the_saved_module_applied_to_their_rows(
    world: tuple[Dataset, TransformGraph, pa.Table], side: Side
) -> None:
    dataset, graph, _ = world
    entities, name = (dataset.queries, "queries") if side == "query" else (dataset.candidates, "candidates")
    ids = pa.table({f"{side}_id": entities.ids.cast(pa.string()), "row": range(len(entities))})
    table = ids.join(entity_tables_without_lists(name), f"{side}_id").sort_by("row")
    if side == "candidate":
        lists = {row["candidate_id"]: row for row in entity_tables()[name].to_pylist()}
        for column in ("genres", "vector"):
            values = [lists.get(one, {}).get(column) for one in entities.ids.to_pylist()]
            table = table.append_column(column, pa.array(values, entity_tables()[name][column].type))
    expected = graph_says(graph, side, table)
    assert set(expected) == set(entities.columns)
    for column, encoded in expected.items():
        np.testing.assert_array_equal(entities.columns[column], encoded)


def entity_tables_without_lists(name: str) -> pa.Table:
    table = entity_tables()[name]
    return table.drop_columns([field.name for field in table.schema if pa.types.is_list(field.type)])


def test_context_belongs_to_its_event(world: tuple[Dataset, TransformGraph, pa.Table]) -> None:
    dataset, graph, table = world
    ordered = events_in_order(table)
    rows = [event for query in dataset.queries.ids.to_pylist() for event in ordered.get(query, [])]
    columns = {
        name: pa.array([row[name] for row in rows], table[name].type) for name in ("device", "timestamp", "basket")
    }
    expected = graph_says(graph, "context", pa.table(columns))
    assert set(expected) == {"device", "when_hour", "when_weekday", "basket"}
    for name, values in expected.items():
        np.testing.assert_array_equal(dataset.events.context[name], values)
    assert dataset.events.weight.tolist() == [row["weight"] for row in rows]


def test_files_batches_and_shards_do_not_change_the_output(
    world: tuple[Dataset, TransformGraph, pa.Table], tmp_path: Path
) -> None:
    _, graph, table = world
    shuffled = table.take(pa.array(np.random.default_rng(1).permutation(len(table))))
    examples = write(tmp_path / "in", row_group_size=37, files=3, interactions=shuffled, **entity_tables())
    transform(examples, tmp_path / "out", shards=7)
    assert_same_files(graph.path.parent / "graph", tmp_path / "out" / "graph")
    assert_same_files(graph.path.parent / "examples", tmp_path / "out" / "examples")


def test_two_columns_are_enough(tmp_path: Path) -> None:
    table = interactions().select(["query_id", "candidate_id"])
    dataset, _ = transform(
        write(tmp_path / "in", interactions=table), tmp_path / "out", {"method": "ratio"}, features=FeatureSpec()
    )
    assert not dataset.ordered
    assert dataset.events.timestamp is None
    assert dataset.events.weight is None
    assert set(dataset.candidates.columns) == {"candidate_id"}
    assert not dataset.queries.columns
    pairs = Counter(zip(table["query_id"].to_pylist(), table["candidate_id"].to_pylist(), strict=True))
    queries = np.array(dataset.queries.ids.to_pylist())[dataset.events.queries()]
    candidates = np.array(dataset.candidates.ids.to_pylist())[dataset.events.candidate]
    assert Counter(zip(queries.tolist(), candidates.tolist(), strict=True)) == pairs
    assert json.loads((tmp_path / "out/examples/metadata.json").read_text())["time_range"] is None


def test_an_order_column_orders_without_time(tmp_path: Path) -> None:
    table = pa.table({"query_id": ["a", "b"] * 4, "candidate_id": list("xyzwvuxy"), "order": [8, 7, 6, 5, 4, 3, 2, 1]})
    dataset, _ = transform(write(tmp_path / "in", interactions=table), tmp_path / "out", features=FeatureSpec())
    ids = dataset.candidates.ids.to_pylist()
    found = {
        query: "".join(ids[row] for row in dataset.events.candidate[start:end])
        for query, start, end in zip(
            dataset.queries.ids.to_pylist(), dataset.events.offsets[:-1], dataset.events.offsets[1:], strict=True
        )
    }
    assert found == {"a": "xvzx", "b": "yuwy"}
    assert dataset.ordered


def test_event_weights_multiply_kind_and_weight(tmp_path):
    table = interactions(rows=200)
    kinds = np.where(np.arange(200) % 3 == 0, "purchase", "view")
    table = table.append_column("action", pa.array(kinds))
    examples = write(tmp_path / "in", interactions=table, **entity_tables())
    weights = {"column": "action", "weights": {"view": 1, "purchase": 10, "refund": 0}}
    weighted, _ = transform(examples, tmp_path / "out", event_weights=weights)
    expected = table["weight"].to_numpy() * np.where(kinds == "purchase", 10, 1)
    assert weighted.events.weight is not None
    assert sorted(weighted.events.weight) == sorted(expected)
    plain, _ = transform(examples, tmp_path / "plain")
    assert plain.events.weight is not None
    assert set(np.round(weighted.events.weight / plain.events.weight)) == {1, 10}
    with pytest.raises(DataError, match="no column 'kind'"):
        transform(examples, tmp_path / "missing", event_weights=weights | {"column": "kind"})
    with pytest.raises(DataError, match=r"'purchase'.*weights for view"):
        transform(examples, tmp_path / "unknown", event_weights=weights | {"weights": {"view": 1}})


def test_only_the_latest_events_of_a_long_query_are_kept_and_the_others_counted(tmp_path: Path) -> None:
    robot = interactions(200).set_column(0, "query_id", pa.array(["robot"] * 200))
    table = pa.concat_tables([interactions(), robot])
    examples = write(tmp_path / "in", interactions=table)
    dataset, _ = transform(examples, tmp_path / "out", features=FeatureSpec(), max_events_per_query=30)
    candidates = np.array(dataset.candidates.ids.to_pylist())
    for query, events in events_in_order(table).items():
        row = dataset.queries.ids.to_pylist().index(query)
        kept = dataset.events.candidate[dataset.events.offsets[row] : dataset.events.offsets[row + 1]]
        assert candidates[kept].tolist() == [event["candidate_id"] for event in events[-30:]]
    sizes = [len(events) for events in events_in_order(table).values()]
    expected = {
        "limit": 30,
        "queries": sum(size > 30 for size in sizes),
        "events": sum(max(0, size - 30) for size in sizes),
    }
    assert dataset.metadata.left_out == LeftOut.model_validate(expected)
    assert dataset.metadata.counts["test"] == len(sizes)
