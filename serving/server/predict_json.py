"""The JSON of TensorFlow Serving's predict API: requests by row or by column, and answers in the same format.

Absent inputs and nulls stand for missing values; TensorFlow Serving accepts neither.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from dataplane.errors import ConfigError
from dataplane.errors.messages import quoted
from models.spec.selection import FilterKind
from serving.model.descriptions import SIGNATURE, Inputs
from serving.model.requests import Request, complete_request

Signatures = Mapping[str, Inputs]
"""Dtype and shape of each input by name, by signature."""


@dataclass(frozen=True)
class Interface:
    """What a model can be asked for.

    Attributes:
        signatures: the inputs of each signature.
        rankings: the most answers per row, by each signature that ranks.
        columns: columns of the candidates that answers may have, by each signature that ranks candidates.
        filters: kinds of the attributes by which `recommend_where` filters, by name.
    """

    signatures: Signatures
    rankings: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    filters: Mapping[str, FilterKind] = field(default_factory=dict)


MOST_LISTED_VALUES = 100_000
"""The most items of all lists of a request; parsing more would keep other requests waiting."""
_B64 = "b64"


@dataclass(frozen=True)
class PredictRequest:
    """A predict request that fits its model.

    Attributes:
        signature: name of a signature of the model.
        rows: completed requests, at least one.
        is_by_row: whether the rows came as `instances`, not as `inputs`; the answer has the same format.
        k: number of answers per row; None for as many as the signature has.
        columns: columns of the candidates to answer with.
    """

    signature: str
    rows: Sequence[Request]
    is_by_row: bool
    k: int | None = None
    columns: Sequence[str] = ()

    def encoded(self, outputs: Mapping[str, Any]) -> Any:
        """The answer in the format of the request; see `answer_json`."""
        return answer_json(outputs, is_by_row=self.is_by_row)


def parse_request(
    body: bytes, interface: Interface, *, max_rows: int, max_values: int = MOST_LISTED_VALUES
) -> PredictRequest:
    """Reads a predict request. Nothing here recurses, so no nesting of the JSON can exhaust the stack.

    Args:
        body: JSON.
        interface: what the model can be asked for.
        max_rows: the most rows of a request.
        max_values: the most items of all its lists together.

    Raises:
        ConfigError: the body is not a predict request, or does not fit the model; the message says why.
    """
    try:
        asked = orjson.loads(body)
    except ValueError as error:
        raise ConfigError(f"request: not JSON (null stands for a missing number): {error}") from None
    if not isinstance(asked, dict) or ("instances" in asked) == ("inputs" in asked):
        raise ConfigError("request: must be a JSON object with either 'instances' (rows) or 'inputs' (columns)")
    signature = known_signature(
        SIGNATURE if asked.get("signature_name") in (None, "") else asked["signature_name"], interface
    )
    specs = interface.signatures[signature]
    k, columns = _k(asked.get("k"), signature, interface), _wanted(asked.get("columns"), signature, interface)
    is_by_row = "instances" in asked
    rows = _rows(asked["instances"], specs) if is_by_row else _columns(asked["inputs"], specs)
    check_size(rows, max_rows=max_rows, max_values=max_values)
    if _B64.encode() in body:
        rows = [{name: _decoded(value) for name, value in row.items()} for row in rows]
    return PredictRequest(signature, [complete_request(specs, row) for row in rows], is_by_row, k, columns)


def known_signature(name: Any, interface: Interface) -> str:
    """The name of a signature that a request names.

    Raises:
        ConfigError: the model has no such signature.
    """
    if not isinstance(name, str) or name not in interface.signatures:
        raise ConfigError(f"request: no signature {quoted(name)}; there is {', '.join(interface.signatures)}")
    return name


def check_size(rows: Sequence[Mapping[str, Any]], *, max_rows: int, max_values: int) -> None:
    """Checks the number of rows of a request, and of the items of all its lists.

    Raises:
        ConfigError: there are too many, or no rows.
    """
    if not 1 <= len(rows) <= max_rows:
        raise ConfigError(f"request: a batch has 1 to {max_rows} rows, this one has {len(rows)}")
    values = sum(len(value) for row in rows for value in row.values() if isinstance(value, list))
    if values > max_values:
        raise ConfigError(f"request: its lists have {values:,} items together, at most {max_values:,} are allowed")


def check_finite(values: np.ndarray) -> None:
    """Checks the numbers of an answer.

    Raises:
        ConfigError: a number is not finite; JSON has no such numbers.
    """
    if values.dtype != object and not np.isfinite(values).all():
        raise ConfigError("request: a number is out of range, the answer to it is not finite")


def answer_json(outputs: Mapping[str, np.ndarray | list[Any]], *, is_by_row: bool) -> bytes:
    """The answer to a predict request.

    Args:
        outputs: by output name, with a row for each row of the request: arrays of numbers or of UTF-8 byte strings, or
            lists of JSON values.
        is_by_row: whether the request came by row.

    Raises:
        ConfigError: a number is not finite; JSON has no such numbers.
    """
    columns = {name: _json_values(value) for name, value in outputs.items()}
    single = next(iter(columns.values())) if len(columns) == 1 else None
    if not is_by_row:
        return _dumps({"outputs": columns if single is None else single})
    if single is not None:
        return _dumps({"predictions": single})
    rows = zip(*columns.values(), strict=True)
    return _dumps({"predictions": [dict(zip(columns, row, strict=True)) for row in rows]})


def _dumps(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _json_values(array: np.ndarray | list[Any]) -> Any:
    if isinstance(array, list):
        return array
    if array.dtype == object:
        return [[text.decode("utf-8", "replace") for text in row] for row in array.tolist()]
    check_finite(array)
    return np.ascontiguousarray(array)


def _k(given: Any, signature: str, interface: Interface) -> int | None:
    if given is None:
        return None
    if signature not in interface.rankings:
        raise ConfigError(f"request: signature '{signature}' does not rank, so it takes no 'k'")
    most = interface.rankings[signature]
    if isinstance(given, bool) or given not in range(1, most + 1):
        raise ConfigError(
            f"request: 'k' is {quoted(given)}, it must be a whole number from 1 to {most}, the number of answers that "
            "the model was exported with (serving.top_k)"
        )
    return int(given)


def _wanted(given: Any, signature: str, interface: Interface) -> tuple[str, ...]:
    """The columns that a request names."""
    known = interface.columns.get(signature, ())
    if given is None or given == []:
        return ()
    if not isinstance(given, list):
        raise ConfigError("request: 'columns' must be a list of names")
    for name in given:
        if name not in known:
            there = f"there is {', '.join(known)}" if known else f"'{signature}' of this model has none"
            raise ConfigError(f"request: no column {quoted(name)} of the candidates; {there}")
    return tuple(dict.fromkeys(given))


def _rows(instances: Any, specs: Inputs) -> list[dict[str, Any]]:
    if not isinstance(instances, list):
        raise ConfigError("request: 'instances' must be a list with one item per row")
    if len(specs) == 1 and not any(_is_object(row) for row in instances):
        return [{next(iter(specs)): row} for row in instances]
    if not all(_is_object(row) for row in instances):
        raise ConfigError(f"request: each instance must be an object with some of: {', '.join(specs)}")
    return instances


def _columns(inputs: Any, specs: Inputs) -> list[dict[str, Any]]:
    columns = {next(iter(specs)): inputs} if len(specs) == 1 and isinstance(inputs, list) else inputs
    if not isinstance(columns, dict) or not all(isinstance(values, list) for values in columns.values()):
        raise ConfigError("request: 'inputs' must be an object with a list for each input, one item per row")
    if len({len(values) for values in columns.values()}) != 1:
        raise ConfigError("request: the lists of 'inputs' must be of one length")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _is_object(row: Any) -> bool:
    return isinstance(row, dict) and not _is_encoded(row)


def _is_encoded(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {_B64}


def _decoded(value: Any) -> Any:
    """An input's value or list, with each `{"b64": …}` replaced by its bytes."""
    return [_decoded_item(item) for item in value] if isinstance(value, list) else _decoded_item(value)


def _decoded_item(value: Any) -> Any:
    if not _is_encoded(value):
        return value
    try:
        return base64.b64decode(value[_B64], validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise ConfigError(f"request: {quoted(value)} is not base64: {error}") from None
