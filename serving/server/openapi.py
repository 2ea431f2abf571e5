"""The OpenAPI 3.1 document of the served models: inputs and outputs of each signature, and errors."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from serving.server.deadlines import HEADER
from serving.server.json_schemas import Schema, answer_schema, instance_schema, request_schema
from serving.server.loaded_model import LoadedModel
from serving.server.openapi_parts import error_responses, get_operation, json_content
from serving.server.openapi_try_page import PAGE_SCHEMAS, page_paths

_PREDICT_ERRORS = {
    "400": "The request does not fit the model; the error says where",
    "401": "The server wants a token",
    "404": "This version is not served",
    "408": "The head of the request took too long",
    "413": "The request is too large",
    "415": "The body's Content-Encoding is not gzip",
    "431": "The head of the request is too large",
    "500": "The server failed to answer",
    "503": "Too many requests wait; try again later",
    "504": "The answer took too long",
}
_NOT_SERVED = {"404": "This version is not served"}
_VERSION = {"name": "version", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}
_LABEL = {"name": "label", "in": "path", "required": True, "schema": {"type": "string"}}
_TIMEOUT = {
    "name": HEADER,
    "in": "header",
    "description": "How long the client waits, in milliseconds",
    "schema": {"type": "integer", "minimum": 1},
}
_STATE: Schema = {
    "type": "object",
    "properties": {
        "version": {"type": "string"},
        "state": {"enum": ["LOADING", "AVAILABLE", "END"]},
        "status": {
            "type": "object",
            "properties": {"error_code": {"enum": ["OK", "UNKNOWN"]}, "error_message": {"type": "string"}},
            "required": ["error_code", "error_message"],
        },
    },
    "required": ["version", "state", "status"],
}
_SCHEMAS: dict[str, Schema] = {
    "Error": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]},
    "Status": {
        "type": "object",
        "properties": {"model_version_status": {"type": "array", "items": _STATE, "minItems": 1}},
        "required": ["model_version_status"],
    },
    "Metadata": {
        "type": "object",
        "description": "The SignatureDef of each signature, in TensorFlow Serving's form",
        "properties": {"model_spec": {"type": "object"}, "metadata": {"type": "object"}},
        "required": ["model_spec", "metadata"],
    },
    "Health": {
        "type": "object",
        "properties": {
            "status": {"const": "ok"},
            "versions": {"type": "object", "additionalProperties": {"type": "integer"}},
            "labels": {
                "type": "object",
                "description": "The version of each label of each model",
                "additionalProperties": {"type": "object", "additionalProperties": {"type": "integer"}},
            },
            "left_aside": {
                "type": "object",
                "description": "Newer versions of each model that cannot be loaded",
                "additionalProperties": {"type": "array", "items": {"type": "integer"}},
            },
        },
        "required": ["status", "versions", "labels", "left_aside"],
    },
}


def openapi_document(models: Mapping[str, LoadedModel], *, max_rows: int) -> dict[str, Any]:
    """Describes the HTTP interface of the versions that answer now; the next version may have other signatures.

    Args:
        models: the version of each model that answers, by the model's name.
        max_rows: the most rows of a request.
    """
    paths: dict[str, Any] = {
        "/healthz": {"get": get_operation("Which versions answer", json_content("Health"))},
        "/metrics": {"get": get_operation("Prometheus metrics", {"text/plain": {"schema": {"type": "string"}}})},
        **page_paths(),
        "/openapi.json": {"get": get_operation("This document", {"application/json": {"schema": {"type": "object"}}})},
    }
    schemas = {**_SCHEMAS, **PAGE_SCHEMAS}
    for name, model in models.items():
        paths |= _paths(name, model)
        schemas |= _model_schemas(name, model, max_rows)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Two-tower retrieval",
            "description": "TensorFlow Serving's REST API. Inputs may be left out or null: they count as missing.",
            "version": ", ".join(f"{name} {model.version}" for name, model in models.items()),
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _paths(name: str, model: LoadedModel) -> dict[str, Any]:
    base = f"/v1/models/{quote(name)}"
    predict = {"post": _predict(name, model)}
    metadata = {"get": get_operation(f"Signatures of {name}", json_content("Metadata"), _NOT_SERVED)}
    status = {"get": get_operation(f"Versions of {name} and their states", json_content("Status"), _NOT_SERVED)}
    paths: dict[str, Any] = {f"{base}:predict": predict, base: status, f"{base}/metadata": metadata}
    for place, parameter in (("versions/{version}", _VERSION), ("labels/{label}", _LABEL)):
        one = {"parameters": [parameter]}
        paths |= {
            f"{base}/{place}:predict": one | predict,
            f"{base}/{place}": one | status,
            f"{base}/{place}/metadata": one | metadata,
        }
    return paths


def _predict(name: str, model: LoadedModel) -> dict[str, Any]:
    requests = [_reference(name, signature, "Request") for signature in model.interface.signatures]
    answers = [_reference(name, signature, "Answer") for signature in model.interface.signatures]
    return {
        "summary": f"Ask {name}, of which version {model.version} answers",
        "parameters": [_TIMEOUT],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"oneOf": requests}}}},
        "responses": {
            "200": {"description": "The answers", "content": {"application/json": {"schema": {"anyOf": answers}}}},
            **error_responses(_PREDICT_ERRORS),
        },
    }


def _model_schemas(name: str, model: LoadedModel, max_rows: int) -> dict[str, Schema]:
    schemas, interface = {}, model.interface
    for signature, inputs in interface.signatures.items():
        instance = _reference(name, signature, "Instance")
        schemas[_schema_name(name, signature, "Instance")] = instance_schema(inputs)
        schemas[_schema_name(name, signature, "Request")] = request_schema(
            signature, interface, instance=instance, max_rows=max_rows
        )
        schemas[_schema_name(name, signature, "Answer")] = answer_schema(
            model.definitions[signature]["outputs"],
            most=interface.rankings.get(signature),
            columns=interface.columns.get(signature, ()),
        )
    return schemas


def _schema_name(model: str, signature: str, kind: str) -> str:
    """The name of a schema; characters that OpenAPI does not allow are replaced by their code."""
    name = f"{model}.{signature}.{kind}"
    return re.sub(r"[^A-Za-z0-9._-]", lambda found: f"_{ord(found[0]):x}_", name)


def _reference(model: str, signature: str, kind: str) -> Schema:
    return {"$ref": f"#/components/schemas/{_schema_name(model, signature, kind)}"}
