"""Schemas of requests; `test_openapi` compares those of a whole document with what a server takes."""

import pytest
from jsonschema import Draft202012Validator

from serving.model.descriptions import InputSpec
from serving.server.json_schemas import instance_schema

TEXT, TEXTS = InputSpec(dtype="string", shape=(None,)), InputSpec(dtype="string", shape=(None, None))
SCHEMA = Draft202012Validator(instance_schema({"where_in_stock": TEXT, "where_flags": TEXTS, "country": TEXT}))


@pytest.mark.parametrize(
    ("row", "is_allowed"),
    [({"where_in_stock": True, "where_flags": ["a", False]}, True), ({"country": True}, False)],
)
def test_only_a_filter_may_be_a_boolean(row: dict[str, object], is_allowed: bool) -> None:
    assert SCHEMA.is_valid(row) == is_allowed
