import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.base import ExecutionContext
from components.schema_gen import SchemaGen, SchemaGenParams
from dataplane.artifacts import Schema, Statistics
from dataplane.errors import ConfigError, DataError
from dataplane.statistics.tfmd import ColumnSchema, read_schema, schema_text

COLUMNS: dict[str, dict[str, object]] = {
    "query_id": {
        "type": "string",
        "distinct": 2,
        "top_values": [{"value": "a", "count": 90}, {"value": "b", "count": 10}],
    },
    "device": {
        "type": "string",
        "distinct": 2,
        "top_values": [{"value": "tv", "count": 60}, {"value": "pc", "count": 40}],
    },
    "comment": {"type": "string", "distinct": 80, "top_values": [{"value": str(i), "count": 1} for i in range(80)]},
    "city": {"type": "string", "distinct": 90_000_000},
    "when": {"type": "timestamp", "missing": 7},
    "clicked": {"type": "bool"},
    "nothing": {"type": "float64", "missing": 100},
    "tags": {"type": "list<string>", "distinct": 3000, "list_length": {"min": 0, "max": 9, "mean": 2.0}},
    "vector": {"type": "list<float64>", "list_length": {"min": 8, "max": 8, "mean": 8.0}},
    "single": {"type": "list<int64>", "list_length": {"min": 1, "max": 1, "mean": 1.0}},
}


def run(tmp_path, path=None):
    columns = {name: {"missing": 0, "elements": 100} | facts for name, facts in COLUMNS.items()}
    statistics, schema = Statistics(tmp_path / "statistics"), Schema(tmp_path / "schema")
    report = {"interactions": {"rows": 100, "columns": columns}, "queries": {"rows": 1, "columns": {}}}
    statistics.write_json("statistics.json", report)
    SchemaGen(SchemaGenParams(path=path)).execute(
        SchemaGen.Inputs(statistics), SchemaGen.Outputs(schema), ExecutionContext(scratch=tmp_path)
    )
    return schema.path / "schema.pbtxt"


def test_inferred_expectations(tmp_path):
    columns = read_schema(run(tmp_path))["interactions"]
    assert columns["query_id"] == ColumnSchema("string", min_fraction=1.0)
    assert columns["device"].domain == ("pc", "tv")
    assert columns["comment"].domain is None, "values that hardly repeat are not a domain"
    assert columns["city"].domain is None
    assert columns["when"] == ColumnSchema("timestamp", min_count=1)
    assert columns["clicked"].type == "bool"
    assert columns["nothing"] == ColumnSchema("float64")
    assert (columns["tags"].min_length, columns["tags"].max_length) == (None, 9)
    assert (columns["vector"].min_length, columns["vector"].max_length) == (8, 8)
    assert columns["single"].type == "list<int64>", "a list of one is still a list"


def test_the_file_is_a_tensorflow_metadata_schema(tmp_path):
    schema = text_format.Parse(run(tmp_path).read_text(), schema_pb2.Schema())
    features = {feature.name: feature for feature in schema.feature}
    assert features["interactions/device"].type == schema_pb2.BYTES
    assert features["interactions/when"].time_domain.integer_format == schema_pb2.TimeDomain.UNIX_MICROSECONDS


@pytest.mark.parametrize(
    "column",
    [
        ColumnSchema("string", min_fraction=0.25, domain=("ä", 'b"')),
        ColumnSchema("float64", low=0.5, high=9.5),
        ColumnSchema("int64", low=1900, min_count=3),
        ColumnSchema("list<string>", max_length=4),
        ColumnSchema("list<timestamp>", min_length=2),
    ],
)
def test_a_written_column_reads_back(tmp_path, column):
    file = tmp_path / "schema.pbtxt"
    file.write_text(schema_text({"candidates": {"some column": column}}), encoding="utf-8")
    assert read_schema(file) == {"candidates": {"some column": column}}


def test_a_pinned_schema_is_copied_as_it_is(tmp_path):
    pinned = tmp_path / "mine.pbtxt"
    pinned.write_text('# reviewed by me\nfeature { name: "queries/age" type: INT value_count { min: 1 max: 1 } }\n')
    assert run(tmp_path, pinned).read_bytes() == pinned.read_bytes()


def test_a_pinned_schema_is_part_of_the_fingerprint(tmp_path):
    pinned = tmp_path / "mine.pbtxt"
    pinned.write_text("")
    component = SchemaGen(SchemaGenParams(path=pinned))
    before = component.prepare().external
    pinned.write_text("# changed")
    assert component.prepare().external != before
    assert SchemaGen(SchemaGenParams()).prepare().external == {}


def test_a_pinned_schema_is_read_once(tmp_path):
    pinned, schema = tmp_path / "mine.pbtxt", Schema(tmp_path / "schema")
    pinned.write_text("# first")
    prepared = SchemaGen(SchemaGenParams(path=pinned)).prepare()
    pinned.write_text("# second")
    prepared.execute(SchemaGen.Inputs(Statistics(tmp_path)), SchemaGen.Outputs(schema), ExecutionContext())
    assert (schema.path / "schema.pbtxt").read_text() == "# first"


PLAIN = "value_count { min: 1 max: 1 }"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("feature {\n  nam: 'queries/age'\n}", r"mine\.pbtxt:2: not a tensorflow-metadata schema"),
        ("feature {", r"mine\.pbtxt:1: not a tensorflow-metadata schema"),
        (f'\nfeature {{ name: "age" type: INT {PLAIN} }}', r"mine\.pbtxt:2: feature 'age': features are named"),
        (f'feature {{ name: "users/age" type: INT {PLAIN} }}', "interactions/COLUMN, queries/COLUMN"),
        ('feature { name: "queries/age" type: INT }', "has no 'value_count'"),
        (f'feature {{ name: "queries/age" {PLAIN} }}', "'type' must be"),
        (f'feature {{ name: "queries/age" type: INT {PLAIN} }}\n' * 2, "is defined twice"),
        (f'feature {{ name: "queries/city" type: BYTES domain: "cities" {PLAIN} }}', "no string_domain of that name"),
    ],
)
def test_a_bad_pinned_schema_is_refused(tmp_path, text, message):
    pinned = tmp_path / "mine.pbtxt"
    pinned.write_text(text)
    with pytest.raises(DataError, match=message):
        run(tmp_path, pinned)
    assert not (tmp_path / "schema").exists()


def test_a_pinned_schema_that_is_absent_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"schema\.path: .*mine\.pbtxt is not a file"):
        run(tmp_path, tmp_path / "mine.pbtxt")


def test_shared_string_domains_are_read(tmp_path):
    file = tmp_path / "schema.pbtxt"
    domain = 'string_domain { name: "cities" value: "Rome" }'
    file.write_text(f'feature {{ name: "queries/city" type: BYTES domain: "cities" {PLAIN} }} {domain}')
    assert read_schema(file)["queries"]["city"].domain == ("Rome",)
