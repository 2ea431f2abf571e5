"""Hive partitions: the names of directories become columns."""

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from dataplane.errors import DataError
from dataplane.sources.headers import check_headers
from models.spec.features import FeatureSpec
from tests.components.source_runs import PAIR, Run, csv
from tests.pipeline.drafting.drafts import draft_config


@pytest.fixture
def run(tmp_path):
    """Events of two days and two countries in CSV."""
    run = Run(tmp_path)
    for day, country, user in (("2026-11-21", "NL", "a"), ("2026-11-22", "NL", "b"), ("2026-11-22", "BE", "c")):
        directory = tmp_path / "events" / f"dt={day}" / f"country={country}"
        directory.mkdir(parents=True)
        (directory / "part.csv").write_text(f"u,i\n{user},x\n{user},y\n")
    return run


def test_directories_become_columns(run):
    run(interactions=csv("events/", columns={**PAIR, "timestamp": "dt"}))
    assert run.rows("interactions", "query_id")[::2] == [
        {"query_id": "a", "candidate_id": "x", "timestamp": datetime(2026, 11, 21, tzinfo=UTC), "country": "NL"},
        {"query_id": "b", "candidate_id": "x", "timestamp": datetime(2026, 11, 22, tzinfo=UTC), "country": "NL"},
        {"query_id": "c", "candidate_id": "x", "timestamp": datetime(2026, 11, 22, tzinfo=UTC), "country": "BE"},
    ]


@pytest.mark.parametrize(
    ("path", "users"),
    [
        ("events/dt=2026-11-22", {"b", "c"}),
        ("events/dt=2026-11-2[2-9]", {"b", "c"}),
        ("events/*/country=NL", {"a", "b"}),
        ("events/**/*.csv", {"a", "b", "c"}),
        (["events/dt=2026-11-21", "events/dt=2026-11-22/country=BE/part.csv"], {"a", "c"}),
    ],
)
def test_a_path_chooses_partitions(run, path, users):
    run(interactions=csv(path))
    rows = run.rows("interactions")
    assert {row["query_id"] for row in rows} == users
    assert all({"dt", "country"} <= row.keys() for row in rows)


@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
def test_other_formats(tmp_path, file_format):
    run = Run(tmp_path)
    for hour in ("7", "11"):
        (tmp_path / "e" / f"hour={hour}").mkdir(parents=True)
        if file_format == "parquet":
            run.parquet(f"e/hour={hour}/p.parquet", {"u": ["a"], "i": [hour]})
        else:
            run.write(f"e/hour={hour}/p.jsonl", f'{{"u": "a", "i": "{hour}"}}\n')
    run(interactions={"format": file_format, "path": "e", "columns": {**PAIR, "order": "hour"}})
    assert run.types()["order"] == "int64"
    assert {row["candidate_id"]: row["order"] for row in run.rows("interactions")} == {"7": 7, "11": 11}


@pytest.mark.parametrize(
    ("names", "kind", "values"),
    [
        (["k=1", "k=20"], "int64", [1, 20]),
        (["k=01", "k=20"], "string", ["01", "20"]),
        (["k=1.5", "k=2"], "float64", [1.5, 2.0]),
        (["k=a%2Fb%20c", "k=d%3De"], "string", ["a/b c", "d=e"]),
        (["k=__HIVE_DEFAULT_PARTITION__", "k=x"], "string", [None, "x"]),
        (["k=2026-11-22 10%3A30", "k=2026-11-23"], "timestamp", [
            datetime(2026, 11, 22, 10, 30, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)]),
        (["a%20b=true", "a%20b=false"], "bool", [True, False]),
    ],
)  # fmt: skip
def test_types_come_from_all_values(tmp_path, names, kind, values):
    run = Run(tmp_path)
    for n, name in enumerate(names):
        (tmp_path / name).mkdir()
        run.write(f"{name}/p.csv", f"u,i\na,{n}\n")
    run(interactions=csv("."))
    column = "a b" if "%20b=" in names[0] else "k"
    assert run.types()[column] == kind
    assert [row[column] for row in run.rows("interactions", "candidate_id")] == values


def test_splits_and_ids_may_be_partitions(tmp_path):
    run = Run(tmp_path)
    for part, user in (("train", "007"), ("test", "7")):
        (tmp_path / f"part={part}" / f"u={user}").mkdir(parents=True)
        run.write(f"part={part}/u={user}/p.csv", "i,w\nx,1\n")
    run(interactions=csv(".", columns={**PAIR, "split": "part"}, keep=[]))
    assert run.rows("interactions", "query_id") == [
        {"query_id": "007", "candidate_id": "x", "split": "train"},
        {"query_id": "7", "candidate_id": "x", "split": "test"},
    ]


def test_a_column_in_the_file_must_say_the_same(tmp_path):
    run = Run(tmp_path)
    (tmp_path / "dt=2026-11-22").mkdir()
    source = {"format": "parquet", "path": ".", "columns": {**PAIR, "timestamp": "dt"}}
    run.parquet("dt=2026-11-22/p.parquet", {"u": ["a"] * 2, "i": ["x", "y"], "dt": pa.array([date(2026, 11, 22)] * 2)})
    run(interactions=source)
    assert run.rows("interactions")[0]["timestamp"] == datetime(2026, 11, 22, tzinfo=UTC)
    days = pa.array([date(2026, 11, 22), date(2026, 11, 23)])
    run.parquet("dt=2026-11-22/p.parquet", {"u": ["a"] * 2, "i": ["x", "y"], "dt": days})
    with pytest.raises(DataError, match=r"p\.parquet: column 'dt' is 2026-11-23.* in row 1, but .* dt=2026-11-22"):
        run(interactions=source)


def test_files_outside_the_partitions_are_refused(run):
    run.write("more.csv", "u,i\nd,x\n")
    with pytest.raises(DataError, match=r"same partition columns, but these differ.*country, dt.*more\.csv: none"):
        run(interactions=csv(["events", "more.csv"]))


def test_a_file_listed_twice_in_path_is_refused(run):
    with pytest.raises(DataError, match="so its rows would count 2 times; name it once"):
        run(interactions=csv(["events", "events/dt=2026-11-21"]))


def test_other_directories_are_not_read(run):
    for name in ("_temporary", "old", ".hidden"):
        (run.directory / "events" / name).mkdir()
        run.write(f"events/{name}/part.csv", "u,i\nz,x\n")
    run.write("events/_SUCCESS", "")
    run(interactions=csv("events"))
    assert {row["query_id"] for row in run.rows("interactions")} == {"a", "b", "c"}


def test_directories_above_the_configuration_are_not_partitions(tmp_path):
    (tmp_path / "run=5").mkdir()
    run = Run(tmp_path / "run=5")
    run.write("events.csv", "u,i\na,x\n")
    run(interactions=csv())
    assert run.rows("interactions") == [{"query_id": "a", "candidate_id": "x"}]


def test_partition_columns_can_be_features(run):
    params = run.component(interactions=csv("events")).params
    spec = {"context": {"country": {"type": "categorical"}, "city": {"type": "categorical"}}}
    [problem] = check_headers(params, FeatureSpec.model_validate(spec))
    assert (problem.value, problem.allowed) == ("city", ("dt", "country"))


def test_a_directory_is_drafted(run):
    text = draft_config([str(run.directory / "events")])
    assert "path: events" in text
    assert "timestamp: dt" in text
    assert draft_config([str(run.directory / "events" / "*" / "country=NL")]).count('"*/country=NL"') == 1
