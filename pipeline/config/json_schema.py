"""The JSON schema of a configuration file: what editors complete and check while somebody types.

A file may extend others and hold a part only, so the schema knows keys, types and allowed values, but not which keys
are needed. `validate` checks everything.
"""

import re
from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from pipeline.config.config import PipelineConfig

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The newest dialect that editors support completely."""
NAMED = "x-named"
"""Marks a choice that may be written as a plain name: `loss: bpr` for `loss: {type: bpr}`."""
_MODULE = r"`(?:models|dataplane)[./][\w./]+`"
_SEE_MODULE = re.compile(rf";\s+see\s+{_MODULE}|\s+\((?:see|credentials:)\s+{_MODULE}\)|\s+See\s+{_MODULE}\.")
_EXTENDS = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
    "description": "File, or list of files, to start from, relative to this one. Mappings are merged key by key; "
    "everything else is replaced.",
}


class _Generator(GenerateJsonSchema):
    """Describes what validators accept besides the type that they return: names of choices, `null` and `false`."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        found = super().function_before_schema(schema)
        convert: Any = schema["function"]["function"]
        if convert("name") == {"type": "name"}:
            return {**found, NAMED: True}
        replaced = [value for value in (None, False) if convert(value) is not value]
        others: list[JsonSchemaValue] = [{"enum": replaced}] if replaced else []
        if isinstance(convert("name"), dict):  # a name alone is one of the mapping's keys
            others.append({"type": "string"})
        return {"anyOf": [found, *others]} if others else found


def full_schema() -> dict[str, Any]:
    """The schema of a complete configuration, with the marks of named choices.

    Descriptions are the docstrings of the keys, without their references to modules.
    """
    schema = PipelineConfig.model_json_schema(schema_generator=_Generator)
    for node in _nodes(schema):
        if isinstance(node.get("description"), str):
            node["description"] = _SEE_MODULE.sub("", node["description"])
    return schema


def editor_schema() -> dict[str, Any]:
    """The schema of a configuration file, which may be a part of a configuration."""
    schema = full_schema()
    for node in list(_nodes(schema)):
        _allow_names(node, schema["$defs"])
        _describe(node, schema["$defs"])
    for node in _nodes(schema):
        _loosen(node)
    schema["properties"] = {"extends": _EXTENDS, **schema["properties"]}
    return {"$schema": DIALECT, "title": "Configuration of a pipeline", **schema}


def names_of(node: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    """Choices of a named union that need no parameter, so that their name is enough."""
    tags = node["discriminator"]["mapping"].items()
    return [tag for tag, target in tags if definitions[target.rpartition("/")[2]].get("required") == ["type"]]


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """All mappings of a schema, inner ones first."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        yield from _nodes(item)
    if isinstance(value, dict):
        yield value


def _allow_names(node: dict[str, Any], definitions: dict[str, Any]) -> None:
    if node.pop(NAMED, False):
        node["oneOf"] = [*node["oneOf"], {"enum": names_of(node, definitions)}]


def _describe(node: dict[str, Any], definitions: dict[str, Any]) -> None:
    """Puts descriptions on one line, and gives each choice's tag the description of the choice."""
    if isinstance(node.get("description"), str):
        node["description"] = " ".join(node["description"].split())
    if isinstance(node.get("properties"), dict) and isinstance(node.get("description"), str):
        for value in node["properties"].values():
            value.setdefault("description", node["description"])


def _loosen(node: dict[str, Any]) -> None:
    """Removes what a part of a configuration need not meet, and what editors do not read."""
    if isinstance(node.get("required"), list):
        del node["required"]
    if isinstance(node.get("title"), str):
        del node["title"]
    if "$ref" in node:
        node.pop("default", None)  # the defaults are with the keys of the mapping
    if "oneOf" in node:
        # Without its tag, a part fits more than one choice.
        node.pop("discriminator", None)
        node["anyOf"] = node.pop("oneOf")
