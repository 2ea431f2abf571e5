"""Reads the options of `recommend` that select among the candidates by their attributes."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dataplane.errors import ConfigError
from dataplane.errors.messages import listed, quoted
from models.spec.selection import MMR_LAMBDA, RECOMMEND_WHERE, FilterKind, filter_inputs, max_per_input
from serving.model.descriptions import ModelDescription


def selection(
    description: ModelDescription, *, where: Sequence[str], max_per: Sequence[str], mmr_lambda: float | None
) -> dict[str, Any]:
    """Inputs of `recommend_where` by name.

    Args:
        description: description of the model.
        where: `NAME=VALUES` of filters: values with commas between them or as a JSON list, or `FROM..TO` of a range.
        max_per: `NAME=NUMBER` of attributes.
        mmr_lambda: weight of relevance against diversity; None if not given.

    Raises:
        ConfigError: the model has no such filter, or a value does not fit it.
    """
    if RECOMMEND_WHERE not in description.signatures:
        raise ConfigError(
            f"the model has no signature '{RECOMMEND_WHERE}'; name the columns in index.filters or index.max_per and "
            "publish it again"
        )
    known = description.inputs(RECOMMEND_WHERE)
    inputs: dict[str, Any] = {}
    for option in where:
        name, text = _named("--where", option, list(description.filters))
        inputs |= _filter("--where " + option, name, description.filters[name], text)
    limits = [name.removeprefix(max_per_input("")) for name in known if name.startswith(max_per_input(""))]
    for option in max_per:
        name, text = _named("--max-per", option, limits)
        if not text.isascii() or not text.isdigit() or int(text) < 1:
            raise ConfigError(f"--max-per {option}: must be a whole number from 1 on")
        inputs[max_per_input(name)] = int(text)
    return inputs if mmr_lambda is None else inputs | {MMR_LAMBDA: mmr_lambda}


def _named(flag: str, option: str, known: Sequence[str]) -> tuple[str, str]:
    name, equals, text = option.partition("=")
    if not equals:
        raise ConfigError(f"{flag} {option}: must be NAME=VALUE")
    if name not in known:
        raise ConfigError(f"{flag} {option}: the model has no {quoted(name)}; it has {listed(known) or 'none'}")
    return name, text


def _filter(option: str, name: str, kind: FilterKind, text: str) -> Mapping[str, Any]:
    if kind == "range":
        least, dots, most = text.partition("..")
        if not dots:
            raise ConfigError(f"{option}: a range is FROM..TO, of which either may be absent")
        bounds = zip(filter_inputs(name, kind), (least, most), strict=True)
        return {key: _number(option, bound) for key, bound in bounds if bound}
    (key,) = filter_inputs(name, kind)
    return {key: text} if kind == "equals" else {key: _values(option, text)}


def _values(option: str, text: str) -> list[str]:
    if not text.startswith("["):
        return text.split(",")
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{option}: not a JSON list: {error}") from None
    if not all(isinstance(value, str) for value in values):
        raise ConfigError(f"{option}: the values of the list must be strings")
    return list(values)


def _number(option: str, text: str) -> float:
    """A number, or a date or time in ISO 8601 (UTC unless it says otherwise) as Unix seconds."""
    try:
        number = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ConfigError(f"{option}: {quoted(text)} is neither a number nor a date") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(number):
        raise ConfigError(f"{option}: {quoted(text)} is not a number; leave the bound out")
    return number
