"""Explains what is wrong with a configuration: file, key, value, and what is allowed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dataplane.errors import ConfigError
from dataplane.errors.credentials import redacted
from dataplane.errors.messages import shown
from pipeline.config.yaml_file import Document

_LISTED = 20
_LONGEST_MESSAGE = 1000


@dataclass(frozen=True)
class Problem:
    """A problem of a configuration.

    Attributes:
        key: dotted key, such as `training.batch_size`.
        message: what is wrong with it, and what is allowed.
    """

    key: str
    message: str


def config_error(file: Path, document: Document, problems: Sequence[Problem]) -> ConfigError:
    """Builds the error that lists all problems of one file."""
    lines = [f"{file} cannot be used, {len(problems)} problem{'s' * (len(problems) > 1)}:"]
    for problem in problems[:_LISTED]:
        origin = document.origin(problem.key)
        text = f"{shown(redacted(problem.key)) or 'top level'}: {shown(redacted(problem.message), _LONGEST_MESSAGE)}"
        lines.append(f"  {text}" + (f"  [{origin}]" if origin else ""))
    if len(problems) > _LISTED:
        lines.append(f"  … and {len(problems) - _LISTED} more")
    return ConfigError("\n".join(lines))


def explain(error: ValidationError, document: Document) -> list[Problem]:
    """Converts the errors of pydantic to problems, one per key of the file."""
    problems: dict[str, str] = {}
    values = document.values
    for details in error.errors(include_url=False):
        found = _explain(details, values)
        # A value that fits none of several types has one error per type.
        earlier = problems.get(found.key)
        problems[found.key] = f"{earlier}; or {found.message}" if earlier else found.message
    return [Problem(key, message) for key, message in problems.items()]


def _explain(details: ErrorDetails, values: Any) -> Problem:
    key = _key(details["loc"], values, missing=details["type"] == "missing")
    context = details.get("ctx", {})
    match details["type"]:
        case "unknown_key":
            return Problem(f"{key}.{context['first']}".lstrip("."), details["msg"])
        case "missing":
            return Problem(key, "is required and missing")
        case "union_tag_not_found":
            return Problem(f"{key}.{_tag(context)}", "is required and missing")
        case "union_tag_invalid":
            message = f"{context['tag']!r} is not one of {context['expected_tags']}"
            return Problem(f"{key}.{_tag(context)}", message)
    message = details["msg"].removeprefix("Value error, ")
    value = details["input"]
    prefix = f"{shown(redacted(repr(value)))}: " if isinstance(value, str | int | float | None) else ""
    return Problem(key, prefix + message[:1].lower() + message[1:])


def _tag(context: dict[str, Any]) -> str:
    return str(context["discriminator"]).strip("'")


def _key(location: Sequence[int | str], values: Any, *, missing: bool) -> str:
    """The dotted key of a pydantic location; leaves out parts that are types and not keys of the file."""
    path: list[str] = []
    for part in location:
        inside = isinstance(values, dict) and part in values
        inside |= isinstance(values, list) and isinstance(part, int) and part < len(values)
        if inside:
            path.append(str(part))
            values = values[part]
    if missing:
        path.append(str(location[-1]))
    return ".".join(path)
