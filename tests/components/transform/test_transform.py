"""Transform on a small world: the output of Beam equals that of plain Python and of the saved module."""

import filecmp
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.transform import Transform, TransformParams
from components.transform.survey import PERIOD
from dataplane.artifacts import Examples, Schema, TransformedExamples, TransformGraph
from dataplane.artifacts.transformed_examples import LeftOut
from dataplane.columns.hashing import hash_pairs, hash_strings
from dataplane.columns.raw_features import raw_features
from dataplane.dataset.sequences import SPLITS, Dataset, Split, read_dataset
from dataplane.errors import DataError
from models.spec.features import FeatureSpec, Side
from tests.contexts import in_process

FEATURES = FeatureSpec.model_validate(
    {
        "query": {
            "city": {"type": "categorical"},
            "age": {"type": "numeric"},
            "user": {"type": "id", "column": "query_id"},
        },
        "context": {
            "device": {"type": "categorical", "min_count": 2},
            "when": {"type": "timestamp", "column": "timestamp", "parts": ["hour", "weekday"]},
            "basket": {"type": "numeric", "transform": "quantile", "buckets": 4},
        },
        "candidate": {
            "title": {"type": "text", "trigram_buckets": 20, "min_count": 1},
            "rare_words_apart": {"type": "text", "column": "title"},
            "genres": {"type": "categorical", "max_values": 2},
            "vector": {"type": "vector", "dimension": 2},
        },
        "history": {"max_length": 5},
    }
)
DEVICES = ["phone", "tablet\nmini", "télé", None]


def interactions(rows: int = 600, seed: int = 3) -> pa.Table:
    random = np.random.default_rng(seed)
    queries = random.integers(0, 40, rows)
    candidates = np.minimum(random.geometric(0.08, rows), 50)
    return pa.table(
        {
            "query_id": [f"ü{number:03}" for number in queries],
            "candidate_id": [str(number) for number in candidates],
            # Few moments, so that ties are the rule.
            "timestamp": pa.array(random.integers(0, 30, rows) * 3_600_000_000 + 10**15, pa.timestamp("us", "UTC")),
            "weight": random.integers(1, 6, rows).astype(np.float32),
            "device": pa.array([DEVICES[number] for number in random.integers(0, 4, rows)]),
            "basket": random.normal(size=rows).round(2),
        }
    )


def entity_tables() -> dict[str, pa.Table]:
    queries = pa.table(
        {
            "query_id": [f"ü{number:03}" for number in range(5, 45)],
            "city": ["Köln", "Paris", None, "Rīga"] * 10,
            "age": pa.array([None, *range(20, 59)], pa.int64()),
        }
    )
    candidates = pa.table(
        {
            "candidate_id": [str(number) for number in range(10, 60)],
            "title": [f"Film {number} of the émigré" for number in range(50)],
            "genres": [["a", "b", "c"], ["c"], [], None, ["b", "a"]] * 10,
            "vector": [[0.5, 1.0], None] * 25,
        }
    )
    return {"queries": queries, "candidates": candidates}


def write(directory: Path, *, row_group_size: int = 200, files: int = 1, **tables: pa.Table) -> Examples:
    for name, table in tables.items():
        (directory / name).mkdir(parents=True)
        cuts = np.linspace(0, len(table), files + 1).astype(int)
        for number, (start, end) in enumerate(itertools.pairwise(cuts)):
            part = table.slice(start, end - start)
            pq.write_table(part, directory / name / f"part-{number}.parquet", row_group_size=row_group_size)
    return Examples(directory)


def transform(
    examples: Examples, out: Path, split: dict[str, object] | None = None, **params: object
) -> tuple[Dataset, TransformGraph]:
    settings = {"features": FEATURES, "split": split or {"method": "leave_last_n"}, **params}
    graph, transformed = TransformGraph(out / "graph"), TransformedExamples(out / "examples")
    Transform(TransformParams.model_validate(settings)).execute(
        Transform.Inputs(examples, Schema(out)),
        Transform.Outputs(graph, transformed),
        in_process(scratch=out / "scratch"),
    )
    return read_dataset(transformed), graph


def vocabulary(graph: TransformGraph, name: str) -> dict[str, int]:
    table = pq.read_table(graph.path / "vocabularies" / f"{name}.parquet").to_pydict()
    return dict(zip(table["value"], table["count"], strict=True))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, TransformGraph, pa.Table]:
    directory = tmp_path_factory.mktemp("world")
    table = interactions()
    examples = write(directory / "in", interactions=table, **entity_tables())
    return *transform(examples, directory / "out"), table


def events_in_order(table: pa.Table) -> dict[str, list[dict]]:
    """The specified order in plain Python: by time, then by the hash of query and candidate."""
    queries, candidates = (hash_strings(table[name].combine_chunks()) for name in ("query_id", "candidate_id"))
    pairs = hash_pairs(queries, candidates)
    groups = defaultdict(list)
    for row, pair in zip(table.to_pylist(), pairs.tolist(), strict=True):
        groups[row["query_id"]].append(row | {"pair": pair})
    content = lambda e: (e["timestamp"], e["pair"], e["candidate_id"], repr((e["weight"], e["device"], e["basket"])))  # noqa: E731
    return {query: sorted(events, key=content) for query, events in groups.items()}


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


def graph_says(
    graph: TransformGraph, side: Side, table: pa.Table, features: FeatureSpec = FEATURES
) -> dict[str, np.ndarray]:
    from models.preprocessing.preprocessing import encode, load_preprocessing

    return encode(load_preprocessing(graph.path / "saved_model"), side, raw_features(features.of(side), table))


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


def moments(dataset: Dataset, *splits: Split) -> np.ndarray:
    """Timestamps of the events of the splits, or of all events."""
    found = (dataset.events.select(splits) if splits else dataset.events).timestamp
    assert found is not None
    return found


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


def assert_same_files(left: Path, right: Path) -> None:
    files = sorted(path.relative_to(left) for path in left.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(right) for path in right.rglob("*") if path.is_file())
    # In these TensorFlow numbers its functions by process and its models at random.
    files = [name for name in files if name.name not in ("fingerprint.pb", "saved_model.pb")]
    assert [name for name in files if not filecmp.cmp(left / name, right / name, shallow=False)] == []


def test_files_batches_and_shards_do_not_change_the_output(
    world: tuple[Dataset, TransformGraph, pa.Table], tmp_path: Path
) -> None:
    _, graph, table = world
    shuffled = table.take(pa.array(np.random.default_rng(1).permutation(len(table))))
    examples = write(tmp_path / "in", row_group_size=37, files=3, interactions=shuffled, **entity_tables())
    transform(examples, tmp_path / "out", shards=7)
    assert_same_files(graph.path.parent / "graph", tmp_path / "out" / "graph")
    assert_same_files(graph.path.parent / "examples", tmp_path / "out" / "examples")


def test_final_makes_everything_training_data(tmp_path: Path) -> None:
    table = interactions()
    dataset, graph = transform(
        write(tmp_path / "in", interactions=table), tmp_path / "out", final=True, features=FeatureSpec()
    )
    assert not dataset.events.split.any()
    assert vocabulary(graph, "candidate.candidate_id") == Counter(table["candidate_id"].to_pylist())
    assert dataset.metadata.counts == {"train": 600, "validation": 0, "test": 0, "history": 0}


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


@pytest.mark.parametrize("given", [["train", "validation", "test"], ["train", "test"]])
def test_splits_given_by_files(tmp_path: Path, given: list[str]) -> None:
    table = interactions().select(["query_id", "candidate_id"])
    names = [given[i % len(given)] for i in range(len(table))]
    table = table.append_column("split", pa.array(names))
    dataset, _ = transform(
        write(tmp_path / "in", interactions=table), tmp_path / "out", {"method": "files"}, features=FeatureSpec()
    )
    counts, wanted = dataset.metadata.counts, Counter(names)
    assert counts["test"] == wanted["test"]
    assert counts["train"] + counts["validation"] == wanted["train"] + wanted["validation"]
    assert counts["validation"] == wanted["validation"] if "validation" in given else counts["validation"] > 0


def test_time_fractions_cut_at_a_moment(tmp_path: Path) -> None:
    table = interactions().select(["query_id", "candidate_id", "timestamp"])
    dataset, _ = transform(
        write(tmp_path / "in", interactions=table), tmp_path / "out", {"method": "time"}, features=FeatureSpec()
    )
    latest = {name: moments(dataset, name) for name in SPLITS[:3]}
    assert latest["train"].max() < latest["validation"].min()
    assert latest["validation"].max() < latest["test"].min()
    assert 0.1 <= len(latest["test"]) / len(table) < 0.2


def test_the_cuts_are_exact_although_moments_are_counted_by_periods_first(tmp_path: Path) -> None:
    drawn = np.random.default_rng(5).integers(10**15, 10**15 + 10 * PERIOD, 600)
    table = interactions().set_column(2, "timestamp", pa.array(drawn, pa.timestamp("us", "UTC")))
    dataset, _ = transform(
        write(tmp_path / "in", interactions=table), tmp_path / "out", {"method": "time"}, features=FeatureSpec()
    )
    of_split = {name: np.sort(moments(dataset, name)) for name in SPLITS[:3]}
    ordered = np.sort(drawn)
    np.testing.assert_array_equal(of_split["test"], ordered[540:])
    np.testing.assert_array_equal(of_split["validation"], ordered[480:540])


@pytest.mark.parametrize(
    ("change", "split", "features", "message"),
    [
        (lambda t: t.drop_columns("timestamp"), {"method": "leave_last_n"}, {}, "needs a timestamp or order"),
        (lambda t: t.drop_columns("timestamp"), {"method": "time"}, {}, "needs a timestamp"),
        (lambda t: t, {"method": "files"}, {}, "needs the split"),
        (
            lambda t: t,
            {"method": "leave_last_n", "n": 1000},
            {},
            "leaves no validation and no test.*600 train.*2001 events",
        ),
        (
            lambda t: t,
            {"method": "time", "validation_from": "1980-01-01", "test_from": "1990-01-01"},
            {},
            "leaves no train and no validation",
        ),
        (
            lambda t: t.filter(pa.compute.equal(t["candidate_id"], "1")),
            {"method": "leave_last_n"},
            {},
            "only one candidate",
        ),
        (lambda t: t.filter(pa.compute.equal(t["query_id"], "ü001")), {"method": "leave_last_n"}, {}, "of one query"),
        (lambda t: t.slice(0, 0), {"method": "leave_last_n"}, {}, "no interactions"),
        (lambda t: t, {"method": "ratio"}, {"query": {"age": {"type": "numeric"}}}, "no queries table"),
        (lambda t: t, {"method": "ratio"}, {"context": {"device": {"type": "numeric"}}}, "'device'.*not numbers"),
        (lambda t: t, {"method": "ratio"}, {"context": {"devise": {"type": "id"}}}, "no such column"),
    ],
)
def test_unusable_settings_are_refused_with_a_reason(
    tmp_path: Path, change: Callable[[pa.Table], pa.Table], split: dict, features: dict, message: str
) -> None:
    examples = write(tmp_path / "in", interactions=change(interactions()))
    with pytest.raises(DataError, match=message):
        transform(examples, tmp_path / "out", split, features=FeatureSpec.model_validate(features))


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
