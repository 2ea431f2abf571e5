"""The page `/` and its look-ups in the OpenAPI document."""

from typing import Any, get_args

from models.spec.selection import FilterKind
from serving.server.json_schemas import Schema
from serving.server.openapi_parts import error_responses, get_operation, json_content
from serving.server.try_page import MOST_TITLES

_TEXT: Schema = {"type": "string"}
_INPUT: Schema = {
    "type": "object",
    "properties": {
        "dtype": {"enum": ["string", "float32", "float64", "int64"]},
        "shape": {"type": "array", "items": {"type": ["integer", "null"]}, "minItems": 1, "maxItems": 2},
    },
    "required": ["dtype", "shape"],
}
_MODEL: Schema = {
    "type": "object",
    "properties": {
        "version": {"type": "integer"},
        "signatures": {
            "description": "Inputs by name, by signature",
            "type": "object",
            "additionalProperties": {"type": "object", "additionalProperties": _INPUT},
        },
        "rankings": {
            "description": "The most answers per row, by signature that ranks",
            "type": "object",
            "additionalProperties": {"type": "integer"},
        },
        "filters": {
            "description": "Kinds of the attributes by which requests filter, by name",
            "type": "object",
            "additionalProperties": {"enum": list(get_args(FilterKind))},
        },
    },
    "required": ["version", "signatures", "rankings", "filters"],
}
PAGE_SCHEMAS: dict[str, Schema] = {
    "Page.Models": {
        "type": "object",
        "properties": {
            "models": {"type": "object", "additionalProperties": _MODEL},
            "queries": {"description": "Ids of some stored queries", "type": "array", "items": _TEXT},
        },
        "required": ["models", "queries"],
    },
    "Page.Query": {
        "type": "object",
        "properties": {"request": {"description": "Inputs by name", "type": "object"}},
        "required": ["request"],
    },
    "Page.Ids": {
        "type": "object",
        "properties": {"ids": {"type": "array", "items": _TEXT, "maxItems": MOST_TITLES}},
        "required": ["ids"],
    },
    "Page.Titles": {
        "type": "object",
        "properties": {
            "titles": {
                "description": "Titles by id of the candidates that have one",
                "type": "object",
                "additionalProperties": _TEXT,
            }
        },
        "required": ["titles"],
    },
}
_ID = {"name": "id", "in": "query", "required": True, "schema": _TEXT}
_QUERY_ERRORS = {"403": "Stored queries are not shown to this client", "404": "There is no such query"}
_TITLE_ERRORS = {"400": "The request is not a list of ids", "413": "The request is too large"}


def page_paths() -> dict[str, Any]:
    """Paths of the page and of its look-ups."""
    titles = {
        "summary": "Titles of candidates",
        "requestBody": {"required": True, "content": json_content("Page.Ids")},
        "responses": {
            "200": {"description": "OK", "content": json_content("Page.Titles")},
            **error_responses(_TITLE_ERRORS),
        },
    }
    query = get_operation("Features and history of a stored query", json_content("Page.Query"), _QUERY_ERRORS)
    return {
        "/": {"get": get_operation("A page to try the models", {"text/html": {"schema": _TEXT}})},
        "/page/models": {"get": get_operation("What the page asks the models for", json_content("Page.Models"))},
        "/page/query": {"get": {**query, "parameters": [_ID]}},
        "/page/titles": {"post": titles},
    }
