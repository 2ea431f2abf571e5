"""Tables in long form, one property per row."""

import itertools
import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from components.example_gen import ExampleGen, ExampleGenParams
from dataplane.beam_runner import MultiProcess
from dataplane.errors import ConfigError, DataError
from dataplane.sources.headers import check_headers
from dataplane.sources.ingestion.pivot_cut import with_latest_values
from models.spec.features import FeatureSpec
from pipeline.config.config import load_config
from pipeline.create_pipeline import create_pipeline
from tests.components.source_runs import Run, csv
from tests.contexts import in_process

PROPERTIES = [
    ("x", "price", "1.5", 100), ("x", "price", "2.5", 300), ("x", "price", "9", 500), ("x", "color", "red", 200),
    ("x", "888", "n552", 100), ("y", "888", "n1", 100), ("y", "888", "n2", 150), ("z", "color", "blue", 900),
    ("w", "color", "old", 250), ("w", "color", "new", 250), ("y", "size", "XL", 600),
]  # fmt: skip
PIVOT = {"property": "property", "value": "value", "timestamp": "at", "keep": ["price", "color", "size"]}


@pytest.fixture
def run(tmp_path):
    made = Run(tmp_path)
    made.write("events.csv", "u,i\na,x\na,y\n")
    return made


def long(run, rows=PROPERTIES, kind="csv", name="items", **pivot):
    if kind == "csv":
        run.write(f"{name}.csv", "at,item,property,value\n" + "".join(f"{t},{i},{p},{v}\n" for i, p, v, t in rows))
    elif kind == "jsonl":
        records = [{"at": t, "item": i, "property": p, "value": v} for i, p, v, t in rows]
        run.write(f"{name}.jsonl", "".join(json.dumps(record) + "\n" for record in records))
    else:
        columns = dict(zip(("item", "property", "value", "at"), map(list, zip(*rows, strict=True)), strict=True))
        run.parquet(f"{name}.parquet", columns)
    return {"format": kind, "path": f"{name}.{kind}", "id": "item", "pivot": {**PIVOT, **pivot}}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_the_last_value_before_the_cut(run, kind):
    source = long(run, kind=kind, before=datetime.fromtimestamp(500, UTC).isoformat())
    facts = run(interactions=csv(), candidates=source)
    assert run.rows("candidates", "candidate_id") == [
        {"candidate_id": "w", "price": None, "color": "new", "size": None},
        {"candidate_id": "x", "price": "2.5", "color": "red", "size": None},
        {"candidate_id": "y", "price": None, "color": None, "size": None},
    ]
    assert (facts["candidates"], facts["candidates_filtered"], facts["candidates_merged"]) == (3, 3, 5)
    assert run.summary("candidates")["in"] == len(PROPERTIES)


def test_without_a_cut_or_a_timestamp_the_latest_counts(run):
    run(interactions=csv(), candidates=long(run))
    prices = {row["candidate_id"]: (row["price"], row["color"]) for row in run.rows("candidates")}
    assert prices == {"w": (None, "new"), "x": ("9", "red"), "y": (None, None), "z": (None, "blue")}
    run(interactions=csv(), candidates=long(run, [*PROPERTIES, ("x", "price", "1", 0)], timestamp=None))
    assert {row["candidate_id"]: row["price"] for row in run.rows("candidates")}["x"] == "1", "last in the files"


def test_properties_become_numbers_timestamps_and_lists(run):
    rows = [
        ("x", "price", "1.5", 1), ("x", "price", "cheap", 2), ("y", "price", "N/A", 1), ("y", "size", "1|2", 1),
        ("x", "color", "02.01.2026", 1), ("y", "color", "whenever", 1),
    ]  # fmt: skip
    source = long(run, rows) | {
        "types": {"price": "number"}, "list_columns": {"size": "|"}, "date_formats": {"color": "%d.%m.%Y"},
    }  # fmt: skip
    run(interactions=csv(), candidates=source, max_bad_fraction=0.5)
    assert run.rows("candidates", "candidate_id") == [
        {"candidate_id": "x", "price": 1.5, "color": datetime(2026, 1, 2, tzinfo=UTC), "size": None},
        {"candidate_id": "y", "price": None, "color": None, "size": ["1", "2"]},
    ]
    assert [(letter["row"], letter["reason"]) for letter in run.rows("dead_letters", "row")] == [
        (1, "price is not a number"), (5, "color cannot be read as %d.%m.%Y"),
    ]  # fmt: skip
    assert run.types("candidates")["price"] == "float64"


def test_order_files_and_workers_do_not_change_the_pivot(tmp_path):
    """The order of files decides only between values with the same timestamp, which these rows lack."""
    numbers = random.Random(0)
    rows = [
        (f"x{numbers.randrange(50)}", numbers.choice(["price", "color", "888", "size"]), str(n), n) for n in range(3000)
    ]  # fmt: skip
    results = []
    for number, parts in enumerate((1, 7, 3)):
        (tmp_path / str(number)).mkdir()
        run = Run(tmp_path / str(number))
        run.write("events.csv", "u,i\na,x1\n")
        numbers.shuffle(rows)
        for part in range(parts):
            long(run, rows[part::parts], name=f"items{part}")
        source = long(run, rows[:1], name="unused") | {"path": "items[0-9].csv"}
        params = ExampleGenParams(base_dir=run.directory, interactions=csv(), candidates=source)
        beam: dict[str, Any] = {"beam": MultiProcess(runner="multi_process", workers=2)} if parts == 3 else {}
        context = in_process(scratch=run.directory / "scratch", **beam)
        ExampleGen(params).execute(ExampleGen.Inputs(), ExampleGen.Outputs(run.examples), context)
        files = sorted((run.examples.path / "candidates").iterdir())
        results.append([(file.name, file.read_bytes()) for file in files])
    assert results[0] == results[1] == results[2]
    expected: dict[str, dict[str, str]] = {}
    for item, name, value, _ in sorted(rows, key=lambda row: row[3]):
        expected.setdefault(item, {})[name] = value
    assert {row["candidate_id"]: row["price"] for row in run.rows("candidates")} == {
        item: values.get("price") for item, values in expected.items()
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keep": ["price"]}, "'pivot' has its own 'keep'"),
        ({"pivot": {**PIVOT, "property": "item"}}, "'item' is the id"),
        ({"pivot": {**PIVOT, "value": "property"}}, "different columns"),
        ({"pivot": {**PIVOT, "keep": []}}, "at least 1"),
        ({"pivot": {**PIVOT, "keep": ["a", "a"]}}, "twice"),
        ({"pivot": {**PIVOT, "keep": ["candidate_id"]}}, "name of an id"),
        ({"pivot": {**PIVOT, "timestamp": None, "before": "2026-01-01"}}, "need pivot.timestamp"),
    ],
)
def test_contradictions_are_refused(settings, message):
    source = {"format": "csv", "path": "items.csv", "id": "item", "pivot": PIVOT, **settings}
    with pytest.raises(ValueError, match=message):
        ExampleGenParams.model_validate({"interactions": csv(), "candidates": source})


def test_features_of_a_pivot_read_existing_properties_only(run):
    source = long(run, timestamp="when")
    params = run.component(interactions=csv(), candidates=source).params
    spec = FeatureSpec.model_validate({"candidate": {"price": {"type": "numeric"}, "value": {"type": "text"}}})
    assert [(problem.key, problem.value) for problem in check_headers(params, spec)] == [
        ("data.candidates.pivot", "when"), ("features.candidate.value", "value"),
    ]  # fmt: skip
    with pytest.raises(DataError, match="no column 'when'"):
        run(interactions=csv(), candidates=source)


def config(run, split, **pivot):
    run.write("events.csv", "u,i,t\n" + "".join(f"a,{item},{n}\n" for n, item in enumerate("xyzw")))
    settings = {
        "schema_version": 1, "name": "p", "split": split, "features": {"candidate": {"price": {"type": "numeric"}}},
        "data": {
            "interactions": csv(columns={"query_id": "u", "candidate_id": "i", "timestamp": "t"}),
            "candidates": long(run, **pivot),
        },
    }  # fmt: skip
    file = run.directory / "c.yaml"
    file.write_text(json.dumps({key: value for key, value in settings.items() if value is not None}))
    return load_config(file)


BY_TIME = {"method": "time", "validation_from": "2026-03-01", "test_from": "2026-04-01"}


@pytest.mark.parametrize(
    ("split", "before", "message"),
    [
        (None, None, "'leave_last_n', which has no fixed moment"),
        ({"method": "time"}, None, "'time', which has no fixed moment"),
        (BY_TIME, "2026-03-02", "later than split.validation_from"),
        (BY_TIME, None, ""),
        (BY_TIME, "2026-02-01", ""),
        ({"method": "leave_last_n"}, "2026-02-01", ""),
        ({"method": "ratio"}, None, ""),
    ],
)
def test_values_newer_than_held_out_events_are_refused(run, split, before, message):
    pivot = {} if before is None else {"before": before}
    if message:
        with pytest.raises(ConfigError, match=message) as error:
            config(run, split, **pivot)
        assert "data.candidates.pivot.before" in str(error.value)
        return
    nodes = create_pipeline(config(run, split, **pivot), run.directory).nodes
    [read] = [node.component.params for node in nodes if isinstance(node.component, ExampleGen)]
    wanted = before or (split["validation_from"] if split is BY_TIME else None)
    assert read.candidates.pivot.before == (wanted and datetime.fromisoformat(wanted).replace(tzinfo=UTC))
    assert read.candidates.types == {"price": "number"}


def test_a_refresh_takes_the_latest_values(run):
    made = config(run, BY_TIME, before="2026-02-01").data.candidates
    assert with_latest_values(made).pivot.before is None
    assert made.pivot.before is not None


def test_properties_over_several_row_groups_and_a_column_named_like_a_role(run):
    rows = [(f"x{n % 5}", "price", n, n) for n in range(100)]
    columns = {
        "item": [row[0] for row in rows], "timestamp": ["price"] * 100, "candidate_id": [row[2] for row in rows],
        "at": [row[3] for row in rows],
    }  # fmt: skip
    run.parquet("items.parquet", columns, row_group_size=7)
    pivot = {"property": "timestamp", "value": "candidate_id", "timestamp": "at", "keep": ["price"]}
    source = {"format": "parquet", "path": "items.parquet", "id": "item", "pivot": pivot, "types": {"price": "number"}}
    run(interactions=csv(), candidates=source)
    assert {row["candidate_id"]: row["price"] for row in run.rows("candidates")} == {
        f"x{n}": 95.0 + n for n in range(5)
    }
    assert list(itertools.chain(run.rows("dead_letters"))) == []


def test_a_property_that_no_row_has_is_refused_and_the_nearest_named(run):
    for kind in ("csv", "jsonl", "parquet"):
        source = long(run, kind=kind, keep=["price", "colour", "888"])
        told = (
            r"candidates: no row has the property 'colour' that pivot\.keep names; did you mean 'color'\?; column "
            "'property' has 888, color, price, size"
        )
        with pytest.raises(DataError, match=told):
            run(interactions=csv(), candidates=source)
    with pytest.raises(DataError, match=r"'weight' that pivot\.keep names; column 'property' has 888, color"):
        run(interactions=csv(), candidates=long(run, keep=["weight"]))


def test_a_property_in_one_of_many_files_is_there_however_many_others_there_are(run):
    long(run, [(f"x{n}", f"p{n}", "1", 1) for n in range(1500)] + [("x", "zzz", "1", 1)], name="items1")
    long(run, [("x", "888", "1", 1)], name="items2")
    source = long(run, name="unused", keep=["zzz", "888"]) | {"path": "items[0-9].csv"}
    run(interactions=csv(), candidates=source)
    assert [row for row in run.rows("candidates") if row["zzz"]] == [{"candidate_id": "x", "zzz": "1", "888": "1"}]
    with pytest.raises(DataError, match=r"the property 'nine' .* has 888, p0, p1, .* and 9[0-9]+ more"):
        run(interactions=csv(), candidates=source | {"pivot": {**PIVOT, "keep": ["nine"]}})


def test_a_property_whose_rows_all_come_too_late_is_no_misspelling(run):
    source = long(run, before=datetime.fromtimestamp(150, UTC).isoformat(), keep=["price", "size"])
    run(interactions=csv(), candidates=source)
    assert {row["size"] for row in run.rows("candidates")} == {None}
