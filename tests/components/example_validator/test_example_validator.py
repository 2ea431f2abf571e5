from copy import deepcopy
from typing import Any

import pytest

from components.base import ExecutionContext
from components.example_validator import ExampleValidator, ExampleValidatorParams
from dataplane.artifacts import Anomalies, Schema, Statistics
from dataplane.errors import RefusedError
from dataplane.statistics.tfmd import ColumnSchema, schema_text

STATISTICS: dict[str, dict[str, Any]] = {
    "interactions": {
        "rows": 100,
        "columns": {
            "query_id": {"type": "string", "distinct": 10},
            "candidate_id": {"type": "string", "distinct": 20},
            "timestamp": {"type": "timestamp", "distinct": 90, "nan": 0, "infinite": 0, "min": 1, "max": 100},
            "device": {
                "type": "string",
                "distinct": 2,
                "top_values": [{"value": "tv", "count": 70}, {"value": "pc", "count": 30}],
            },
        },
    },
    "candidates": {
        "rows": 20,
        "columns": {
            "candidate_id": {"type": "string", "distinct": 20},
            "price": {"type": "float64", "distinct": 9, "nan": 0, "infinite": 0, "min": 0.5, "max": 9.5},
            "vector": {"type": "list<float64>", "nan": 0, "infinite": 0, "list_length": {"min": 4, "max": 4}},
            "tags": {"type": "list<string>", "distinct": 5, "list_length": {"min": 0, "max": 3}},
        },
    },
}
SCHEMA = {
    "interactions": {
        "query_id": ColumnSchema("string", min_fraction=1.0),
        "candidate_id": ColumnSchema("string", min_fraction=1.0),
        "timestamp": ColumnSchema("timestamp", min_fraction=1.0),
        "device": ColumnSchema("string", min_fraction=0.9, domain=("pc", "tv")),
    },
    "candidates": {
        "candidate_id": ColumnSchema("string", min_fraction=1.0),
        "price": ColumnSchema("float64", low=0.0, high=10.0),
        "vector": ColumnSchema("list<float64>", min_length=4, max_length=4),
        "tags": ColumnSchema("list<string>", max_length=3),
    },
}


class Case:
    """Statistics and a matching schema, for tests to modify."""

    def __init__(self):
        self.statistics, self.schema = deepcopy(STATISTICS), deepcopy(SCHEMA)
        for report in self.statistics.values():
            for facts in report["columns"].values():
                facts |= {"missing": 0, "elements": report["rows"]}

    def facts(self, table, column):
        return self.statistics[table]["columns"][column]

    def run(self, tmp_path, **params):
        statistics, schema = Statistics(tmp_path / "statistics"), Schema(tmp_path / "schema")
        statistics.write_json("statistics.json", self.statistics)
        schema.path.mkdir()
        (schema.path / "schema.pbtxt").write_text(schema_text(self.schema))
        inputs = ExampleValidator.Inputs(statistics, schema)
        outputs = ExampleValidator.Outputs(Anomalies(tmp_path / "anomalies"))
        return ExampleValidator(ExampleValidatorParams(**params)).execute(inputs, outputs, ExecutionContext())

    def anomalies(self, tmp_path, **params):
        self.run(tmp_path, fail_on="never", **params)
        return Anomalies(tmp_path / "anomalies").read_json("anomalies.json")


def test_data_that_fit_have_no_anomalies(tmp_path):
    case = Case()
    assert case.run(tmp_path, fail_on="warning") == {"errors": 0, "warnings": 0}
    assert Anomalies(tmp_path / "anomalies").read_json("anomalies.json") == []


def _remove(table, column=None):
    def change(case):
        del (case.statistics[table]["columns"] if column else case.statistics)[column or table]

    return change


def _forget(table, column=None):
    def change(case):
        del (case.schema[table] if column else case.schema)[column or table]

    return change


def _facts(table, column, **facts):
    return lambda case: case.facts(table, column).update(facts)


def _empty(case):
    case.statistics["interactions"] = {"rows": 0, "columns": {}}


def _expect(table, column, **schema):
    return lambda case: case.schema[table].update({column: ColumnSchema(**schema)})


ALL_UNSEEN = {"distinct": 50_000, "top_values": [{"value": f"v{i}", "count": 1} for i in range(10)]}


@pytest.mark.parametrize(
    ("change", "place", "kind", "severity", "text"),
    [
        (_remove("candidates"), "candidates.None", "table_missing", "error", "not in the data"),
        (_forget("candidates"), "candidates.None", "table_new", "warning", "not in the schema"),
        (_empty, "interactions.None", "empty_table", "error", "no rows"),
        (_remove("interactions", "device"), "interactions.device", "column_missing", "error", "not in the data"),
        (_remove("candidates", "price"), "candidates.price", "column_missing", "warning", "not in the data"),
        (_forget("candidates", "price"), "candidates.price", "column_new", "warning", "not in the schema"),
        (
            _facts("candidates", "price", type="string"),
            "candidates.price",
            "wrong_type",
            "error",
            "is string; the schema requires float64",
        ),
        (
            _facts("interactions", "device", missing=11),
            "interactions.device",
            "too_many_missing",
            "error",
            "11 of 100 rows have no value; the schema requires one in at least 90",
        ),
        (_facts("candidates", "price", missing=20), "candidates.price", "all_missing", "warning", "none of 20 rows"),
        (_facts("interactions", "device", missing=100), "interactions.device", "all_missing", "error", "none of 100"),
        (_facts("candidates", "price", nan=3), "candidates.price", "nan_values", "error", "3 of 20 values (15 %)"),
        (_facts("candidates", "price", infinite=1), "candidates.price", "nan_values", "error", "1 of 20 values (5 %)"),
        (
            _expect("interactions", "device", type="string", domain=("tv",)),
            "interactions.device",
            "unseen_values",
            "error",
            "at least 30 values (30 %) are outside the schema's domain, such as 'pc'",
        ),
        (
            _expect("interactions", "device", type="string", domain=("radio",)),
            "interactions.device",
            "unseen_values",
            "error",
            "domain, such as 'tv'",  # the most frequent
        ),
        (
            _facts("interactions", "device", elements=100_000, **ALL_UNSEEN),
            "interactions.device",
            "unseen_values",
            "error",
            "at least 49998 values",
        ),
        (
            _expect("candidates", "price", type="float64", low=1.0),
            "candidates.price",
            "out_of_range",
            "error",
            "the smallest value is 0.5; the schema allows 1.0",
        ),
        (
            _expect("candidates", "price", type="float64", high=9.0),
            "candidates.price",
            "out_of_range",
            "error",
            "the largest value is 9.5; the schema allows 9.0",
        ),
        (
            _facts("candidates", "vector", list_length={"min": 3, "max": 4}),
            "candidates.vector",
            "list_length",
            "error",
            "3 to 4 elements; the schema requires 4",
        ),
        (
            _facts("candidates", "tags", list_length={"min": 0, "max": 5}),
            "candidates.tags",
            "list_length",
            "warning",
            "0 to 5 elements; the schema requires 0 to 3",
        ),
        (
            _facts("interactions", "query_id", distinct=1),
            "interactions.query_id",
            "too_few_queries",
            "error",
            "1 distinct queries; at least 2 are needed (validation.min_queries)",
        ),
        (
            _facts("interactions", "candidate_id", distinct=1),
            "interactions.candidate_id",
            "too_few_candidates",
            "error",
            "validation.min_candidates",
        ),
        (
            _facts("interactions", "timestamp", max=1),
            "interactions.timestamp",
            "constant_timestamp",
            "warning",
            "no order in time",
        ),
    ],
)
def test_each_kind_of_anomaly(tmp_path, change, place, kind, severity, text):
    case = Case()
    change(case)
    (anomaly,) = case.anomalies(tmp_path)
    assert f"{anomaly['table']}.{anomaly['column']}" == place
    assert (anomaly["kind"], anomaly["severity"]) == (kind, severity)
    assert text in anomaly["message"]


def test_tolerated_anomalies_are_warnings(tmp_path):
    case = Case()
    _facts("candidates", "price", nan=3)(case)
    _expect("interactions", "device", type="string", domain=("tv",))(case)
    anomalies = case.anomalies(tmp_path, max_nan_fraction=0.15, max_unseen_fraction=0.3)
    assert {(anomaly["kind"], anomaly["severity"]) for anomaly in anomalies} == {
        ("nan_values", "warning"),
        ("unseen_values", "warning"),
    }


def test_refusal_names_everything_after_writing_the_file(tmp_path):
    case = Case()
    _facts("candidates", "price", nan=3)(case)
    _facts("interactions", "timestamp", max=1)(case)
    with pytest.raises(RefusedError) as refusal:
        case.run(tmp_path)
    message = str(refusal.value)
    assert "candidates.price: 3 of 20 values" in message
    assert str(tmp_path / "anomalies" / "anomalies.json") in message
    assert "timestamp" not in message, "warnings do not block"
    written = Anomalies(tmp_path / "anomalies").read_json("anomalies.json")
    assert [anomaly["severity"] for anomaly in written] == ["error", "warning"]


@pytest.mark.parametrize(("fail_on", "refused"), [("error", False), ("warning", True), ("never", False)])
def test_severity_that_stops_the_run(tmp_path, fail_on, refused):
    case = Case()
    _facts("interactions", "timestamp", max=1)(case)
    if refused:
        with pytest.raises(RefusedError, match="timestamp"):
            case.run(tmp_path, fail_on=fail_on)
    else:
        facts = case.run(tmp_path, fail_on=fail_on)
        assert facts.items() >= {"errors": 0, "warnings": 1}.items()
        (note,) = facts["notes"]
        assert note.startswith("warning: interactions.timestamp: ")


@pytest.mark.parametrize(("columns", "lines"), [(8, 9), (12, 10)])
def test_a_long_refusal_is_shortened(tmp_path, columns, lines):
    case = Case()
    case.statistics["candidates"]["columns"] |= {
        f"x{i}": {"type": "float64", "missing": 0, "elements": 20, "nan": 1, "infinite": 0} for i in range(columns)
    }
    with pytest.raises(RefusedError, match=f"{columns} anomalies") as refusal:
        case.run(tmp_path)
    assert str(refusal.value).count("\n") == lines
    assert ("… and 4 more" in str(refusal.value)) == (columns == 12)
