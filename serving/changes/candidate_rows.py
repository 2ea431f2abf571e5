"""Reads the rows of candidates that are added, updated or removed."""

import math
from collections.abc import Mapping
from typing import Any

from dataplane.errors import ConfigError
from dataplane.errors.messages import listed, quoted
from models.spec.features import CANDIDATE_ID
from models.spec.selection import WHERE, FilterKind
from serving.changes.change_log import Change
from serving.model.descriptions import Inputs, InputSpec, ModelDescription
from serving.model.requests import complete_request

EMBED = "embed_candidate"
"""The signature whose inputs are the features of a candidate."""
_IDS = {CANDIDATE_ID: InputSpec(dtype="string", shape=(None,))}


class CandidateRows:
    """The rows that a model takes: features of the candidate tower, and the columns that its filters read.

    Attributes:
        inputs: type of each value by its key: the name of a feature, or `where_NAME` of a filter.
        columns: the column that each filter reads, by the filter's key.
    """

    def __init__(self, description: ModelDescription) -> None:
        """Reads what the model takes.

        Raises:
            RunError: the model cannot embed candidates.
        """
        self._features = description.inputs(EMBED)
        self._filters = {WHERE + name: name for name in description.filters}
        attributes = {key: attribute_spec(description.filters[name]) for key, name in self._filters.items()}
        self.inputs: Inputs = {**self._features, **attributes}
        self.columns: Mapping[str, str] = {
            key: description.filter_columns.get(name, name) for key, name in self._filters.items()
        }

    def added(self, row: Mapping[str, Any]) -> Change:
        """The change that adds or updates a candidate.

        Args:
            row: features by name, and what filters read by column.

        Raises:
            ConfigError: a key is unknown, a value does not fit, or there is no id.
        """
        if unknown := sorted({*row} - {*self._features} - {*self.columns.values()}):
            known = listed(sorted({*self._features, *self.columns.values()}))
            raise ConfigError(f"request: {quoted(unknown[0])} is not an input of a candidate; its inputs are: {known}")
        features = {name: row[name] for name in self._features if name in row}
        return self.added_by_key({**features, **{key: row[name] for key, name in self.columns.items() if name in row}})

    def added_by_key(self, values: Mapping[str, Any]) -> Change:
        """As `added`, for values by the keys of `inputs`; without its key, a filter does not know the candidate."""
        features = {name: value for name, value in values.items() if name in self._features}
        inputs = {name: _as_json(value) for name, value in complete_request(self._features, features).items()}
        attributes = {name: self._attribute(key, values[key]) for key, name in self._filters.items() if key in values}
        given = {name: value for name, value in inputs.items() if value is not None}
        return Change(_id(inputs[CANDIDATE_ID]), given, attributes)

    def _attribute(self, key: str, value: Any) -> Any:
        spec, column = self.inputs[key], self.columns[key]
        if len(spec.shape) == 2 and value is not None:
            value = [_without_flag(item) for item in (value if isinstance(value, list) else [value])]
        elif spec.dtype == "string":
            value = _without_flag(value)
        found = _as_json(complete_request({column: spec}, {column: value})[column])
        if isinstance(found, list):
            found = [text for text in found if text]
        return None if found in ("", []) else found


def _without_flag(value: Any) -> Any:
    """A value; a flag as the text that filters know it by."""
    return str(value).lower() if isinstance(value, bool) else value


def attribute_spec(kind: FilterKind) -> InputSpec:
    """Type of what a filter of a kind reads of one candidate."""
    if kind == "range":
        return InputSpec(dtype="float64", shape=(None,))
    return InputSpec(dtype="string", shape=(None,) if kind == "equals" else (None, None))


def removed(row: Any) -> Change:
    """The change that removes a candidate, named by its id or by an object with the id.

    Raises:
        ConfigError: there is no id, or more than that.
    """
    completed = complete_request(_IDS, row if isinstance(row, Mapping) else {CANDIDATE_ID: row})
    return Change(_id(_as_json(completed[CANDIDATE_ID])), None)


def _id(value: str | None) -> str:
    if not value:
        raise ConfigError(f"a row has no {CANDIDATE_ID}")
    return value


def _as_json(value: Any) -> Any:
    """A value of a completed request as JSON; None if it is missing."""
    if isinstance(value, list):
        values = [_as_json(item) for item in value]
        return None if None in values else values
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if isinstance(value, float) and not math.isfinite(value) else value
