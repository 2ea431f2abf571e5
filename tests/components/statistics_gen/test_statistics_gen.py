import json
import math
import pickle
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.base import Params
from components.statistics_gen import StatisticsGen
from dataplane.artifacts import Examples, Statistics
from dataplane.columns.exact_moments import ExactMoments
from dataplane.errors import DataError
from dataplane.statistics.count_sketch import CountSketch, hash_values
from dataplane.statistics.report import table_report
from dataplane.statistics.table_statistics import TableStatistics
from tests.contexts import in_process

UTC_US = pa.timestamp("us", tz="UTC")


def interactions(rows=3000, seed=0):
    random = np.random.default_rng(seed)
    devices = np.array(["phone", "tv", None])
    return pa.table(
        {
            "query_id": pa.array([f"q{i}" for i in random.integers(0, 200, rows)]),
            "candidate_id": pa.array([f"ç{i}" for i in random.integers(0, 90, rows)]),
            "timestamp": pa.array(random.integers(0, 10**15, rows)).cast(UTC_US),
            "price": pa.array(random.lognormal(0, 9, rows)),
            "device": pa.array(random.choice(devices, rows, p=[0.6, 0.3, 0.1]).tolist(), pa.string()),
            "tags": pa.array([["a", "b"][: i % 3] for i in range(rows)]),
            "vector": pa.array(random.normal(size=(rows, 3)).tolist()),
            "flag": pa.array(random.random(rows) < 0.5),
        }
    )


def write_shards(directory, table, shards):
    directory.mkdir(parents=True)
    cuts = np.linspace(0, len(table), shards + 1).astype(int)
    for i, (start, end) in enumerate(pairwise(cuts)):
        pq.write_table(table.slice(start, end - start), directory / f"{i}.parquet")


def run(examples, tmp_path, name="statistics"):
    statistics = Statistics(tmp_path / name)
    component = StatisticsGen(Params())
    component.execute(
        StatisticsGen.Inputs(Examples(examples)), StatisticsGen.Outputs(statistics), in_process(scratch=tmp_path)
    )
    return statistics


def gather(table, batch_rows):
    parts = []
    for batch in table.to_batches(batch_rows):
        parts.append(TableStatistics())
        parts[-1].add(batch)
    return parts


def merged(parts):
    total = TableStatistics()
    for part in parts:
        total.merge(pickle.loads(pickle.dumps(part)))
    return total


def test_numbers_of_every_kind_of_column(tmp_path):
    table = pa.table(
        {
            "query_id": ["a", "a", "b", "a"],
            "candidate_id": ["x", "x", "y", "z"],
            "timestamp": pa.array([3_000_000, 1_000_000, 2_000_000, 2_000_000]).cast(UTC_US),
            "price": pa.array([1.5, float("nan"), float("-inf"), -0.0]),
            "stars": pa.array([5, 3, None, 3]),
            "tags": pa.array([["p", "q", None], [], None, ["p"]], pa.list_(pa.string())),
        }
    )
    write_shards(tmp_path / "examples/interactions", table, 2)
    report = run(tmp_path / "examples", tmp_path).read_json("statistics.json")["interactions"]
    columns = report["columns"]
    assert report["rows"] == 4
    assert (
        columns["price"].items() >= {"nan": 1, "infinite": 1, "zeros": 1, "min": 0.0, "max": 1.5, "mean": 0.75}.items()
    )
    assert columns["stars"].items() >= {"type": "int64", "missing": 1, "missing_fraction": 0.25, "distinct": 2}.items()
    assert columns["stars"]["quantiles"]["0.5"] == 3
    assert columns["stars"]["std"] == pytest.approx(np.std([5, 3, 3]))
    assert columns["tags"]["list_length"] == {"min": 0, "max": 3, "mean": 4 / 3}
    assert columns["tags"].items() >= {"missing": 1, "elements": 3, "null_elements": 1}.items()
    assert columns["tags"]["top_values"] == [{"value": "p", "count": 2}, {"value": "q", "count": 1}]
    assert columns["timestamp"].items() >= {"type": "timestamp", "min": 1_000_000, "max": 3_000_000}.items()
    events = report["events"]
    assert events.items() >= {"queries": 2, "candidates": 3, "pairs": 3, "density": 0.5, "exact": True}.items()
    assert events["repeat_fraction"] == 0.25
    assert events["single_event_query_fraction"] == 0.5
    assert events["events_per_query"].items() >= {"mean": 2.0, "0.0": 1, "1.0": 3}.items()
    assert events["first"] == "1970-01-01T00:00:01+00:00"


def test_the_files_do_not_depend_on_shards_or_row_order(tmp_path):
    table = interactions()
    candidates = pa.table({"candidate_id": ["x", "y"], "title": ["Tëst", ""]})
    shuffled = table.take(pa.array(np.random.default_rng(1).permutation(len(table))))
    for name, version, shards in (("one", table, 1), ("many", shuffled, 7)):
        write_shards(tmp_path / name / "interactions", version, shards)
        write_shards(tmp_path / name / "candidates", candidates, shards)
    one, many = run(tmp_path / "one", tmp_path, "s1"), run(tmp_path / "many", tmp_path, "s2")
    for file in ("statistics.json", "statistics.pb"):
        assert (one.path / file).read_bytes() == (many.path / file).read_bytes()
    assert list(one.read_json("statistics.json")) == ["interactions", "candidates"]


@pytest.fixture(scope="module")
def large_parts():
    """Batches of a table with too many distinct values for exact counts."""
    random = np.random.default_rng(3)
    rows = 200_000
    numbers = random.normal(size=rows)
    candidates = [str(i) for i in random.integers(0, 20, rows)]
    table = pa.table({"query_id": [str(i) for i in range(rows)], "candidate_id": candidates, "x": numbers})
    return gather(table, 50_000), numbers


def test_sampled_statistics_do_not_depend_on_merge_order(large_parts):
    parts, _ = large_parts
    report = table_report(merged(parts))
    assert report == table_report(merged(reversed(parts)))
    assert report == table_report(merged([merged(parts[::2]), merged(parts[1::2])]))


def test_sampled_statistics_are_close(large_parts):
    parts, numbers = large_parts
    report = table_report(merged(parts))
    column = report.columns["x"]
    assert not column.exact
    assert column.distinct == pytest.approx(200_000, rel=0.02)
    assert (column.min, column.max) == (numbers.min(), numbers.max())
    assert sum(bucket.count for bucket in column.histogram) == pytest.approx(200_000)
    for share in (0.1, 0.5, 0.9):
        rank = np.mean(numbers <= column.quantiles[str(share)])
        assert rank == pytest.approx(share, abs=0.025)
    assert report.columns["query_id"].top_values is None
    assert report.columns["candidate_id"].exact
    assert report.events is not None
    assert (report.events.exact, report.events.repeat_fraction) == (False, 0.0)


def test_counts_of_sampled_values_are_exact():
    random = np.random.default_rng(0)
    values = random.integers(0, 2000, 50_000)
    whole = CountSketch(capacity=100)
    for part in np.array_split(values, 13):
        piece = CountSketch(capacity=100)
        piece.add(pa.array(part), hash_values(pa.array(part)))
        whole.merge(piece)
    expected = np.bincount(values)
    assert whole.counts().tolist() == [expected[value] for value in whole.values().to_pylist()]
    assert not whole.complete
    assert whole.distinct() == pytest.approx(2000, rel=0.3)


finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=150)
@given(st.lists(finite, max_size=20) | st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20), st.integers(0, 20))
def test_moments_are_exact(numbers, cut):
    array = np.array(numbers, np.int64 if numbers and isinstance(numbers[0], int) else np.float64)
    total = ExactMoments.of(array[:cut]) + ExactMoments.of(array[cut:])
    exact = [Fraction(number) for number in numbers]
    assert total.total == sum(exact)
    assert total.squares == sum(number * number for number in exact)
    if numbers:
        assert total.mean == float(sum(exact) / len(exact))


def test_spread_around_a_large_mean_is_not_lost():
    # Naive sums of squares in float64 give 0 or nonsense here.
    numbers = 1e15 + np.arange(100_000) % 2
    assert ExactMoments.of(numbers).std == 0.5
    assert ExactMoments.of(np.array([1e300, -1e300])).std == pytest.approx(1e300)
    assert math.isnan(ExactMoments().mean)


def test_protocol_buffer_has_what_tfdv_reads(tmp_path):
    write_shards(tmp_path / "examples/interactions", interactions(), 2)
    statistics = run(tmp_path / "examples", tmp_path)
    proto = statistics_pb2.DatasetFeatureStatisticsList.FromString((statistics.path / "statistics.pb").read_bytes())
    dataset = proto.datasets[0]
    features = {feature.name: feature for feature in dataset.features}
    assert (dataset.name, dataset.num_examples) == ("interactions", 3000)
    price, device = features["price"].num_stats, features["device"].string_stats
    assert price.min < price.median < price.max
    assert {len(histogram.buckets) for histogram in price.histograms} == {10}
    assert device.unique == 2
    assert device.top_values[0].value == "phone"
    assert device.common_stats.num_missing + device.common_stats.num_non_missing == 3000
    assert features["vector"].num_stats.common_stats.min_num_values == 3


def test_absent_interactions_count_as_zero_rows(tmp_path):
    (tmp_path / "examples").mkdir()
    report = run(tmp_path / "examples", tmp_path).read_json("statistics.json")
    assert report == {"interactions": {"rows": 0, "columns": {}}}


def test_a_column_of_nulls_and_a_column_some_shards_lack(tmp_path):
    directory = tmp_path / "examples/interactions"
    directory.mkdir(parents=True)
    pq.write_table(pa.table({"query_id": ["a"], "note": pa.array([None], pa.string())}), directory / "0.parquet")
    pq.write_table(pa.table({"query_id": ["b"], "x": [1.0]}), directory / "1.parquet")
    columns = run(tmp_path / "examples", tmp_path).read_json("statistics.json")["interactions"]["columns"]
    assert columns["note"].items() >= {"missing": 2, "distinct": 0, "top_values": []}.items()
    assert columns["x"].items() >= {"missing": 1, "mean": 1.0}.items()


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([pa.table({"a": pa.array([b"x"])})], r"0\.parquet: column 'a': columns of type binary are not supported"),
        (
            [pa.table({"a": [1]}), pa.table({"a": ["1"]})],
            r"1\.parquet: column 'a' is string here and int64 in 0\.parquet",
        ),
    ],
)
def test_shards_that_cannot_be_used(tmp_path, tables, message):
    directory = tmp_path / "examples/interactions"
    directory.mkdir(parents=True)
    for i, table in enumerate(tables):
        pq.write_table(table, directory / f"{i}.parquet")
    with pytest.raises(DataError, match=message):
        run(tmp_path / "examples", tmp_path)


def test_a_damaged_shard_is_named(tmp_path):
    directory = tmp_path / "examples/queries"
    directory.mkdir(parents=True)
    (directory / "0.parquet").write_bytes(b"not parquet")
    with pytest.raises(DataError, match=r"0\.parquet: not a readable Parquet file"):
        run(tmp_path / "examples", tmp_path)


def test_json_has_no_nan(tmp_path):
    write_shards(tmp_path / "examples/interactions", pa.table({"x": [float("nan")], "y": [float("inf")]}), 1)
    text = (run(tmp_path / "examples", tmp_path).path / "statistics.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
