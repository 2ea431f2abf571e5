"""Parts of the OpenAPI document: operations and their responses."""

from collections.abc import Mapping
from typing import Any


def get_operation(summary: str, content: Mapping[str, Any], errors: Mapping[str, str] | None = None) -> dict[str, Any]:
    """An operation that only reads.

    Args:
        summary: describes the operation.
        content: schema of the answer, by media type.
        errors: reason of each status of an error.
    """
    answered = {"200": {"description": "OK", "content": dict(content)}}
    return {"summary": summary, "responses": answered | error_responses(errors or {})}


def json_content(schema: str) -> dict[str, Any]:
    """JSON of a schema of the document."""
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def error_responses(reasons: Mapping[str, str]) -> dict[str, Any]:
    """Responses by the status of the error."""
    return {code: {"description": reason, "content": json_content("Error")} for code, reason in reasons.items()}
