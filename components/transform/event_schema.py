"""The columns of the interactions that the shuffle carries along, and how they are read."""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from dataplane.columns.columnar import RowGroup, read_row_group, single, string_columns
from dataplane.columns.event_columns import CONTEXT_PREFIX
from dataplane.columns.raw_features import plain_column
from dataplane.dataset.sequences import SPLITS
from dataplane.errors import DataError
from models.spec.examples_config import EventWeights
from models.spec.features import CANDIDATE_ID, QUERY_ID, TIMESTAMP

ORDER, WEIGHT, SPLIT = "order", "weight", "split"
_ROLES = (QUERY_ID, CANDIDATE_ID, TIMESTAMP, ORDER, WEIGHT, SPLIT)


@dataclass(frozen=True)
class EventSchema:
    """The columns of the interactions that the shuffle carries along.

    Attributes:
        roles: the canonical columns that are present and needed.
        context: source columns of the context features.
        strings: the columns of both that hold strings.
        event_weights: weights by kind of event and the column of the kind, or None.
    """

    roles: tuple[str, ...]
    context: tuple[str, ...]
    strings: tuple[str, ...]
    event_weights: EventWeights | None = None

    @staticmethod
    def of(
        schema: pa.Schema, context: Iterable[str], *, with_split: bool, event_weights: EventWeights | None = None
    ) -> "EventSchema":
        """Selects the columns of interactions with this schema; a split column only if `with_split`."""
        roles = tuple(name for name in _ROLES if name in schema.names and (with_split or name != SPLIT))
        extra = tuple(sorted(set(context) - set(_ROLES)))
        return EventSchema(roles, extra, tuple(string_columns(schema, roles + extra)), event_weights)

    @property
    def columns(self) -> list[str]:
        """All columns that are read of the interactions, each once."""
        kind = [] if self.event_weights is None else [self.event_weights.column]
        return list(dict.fromkeys([*self.roles, *self.context, *kind]))


def read_roles(row_group: RowGroup, schema: EventSchema) -> pa.Table:
    """Reads the columns of a row group that the shuffle needs.

    Raises:
        DataError: a role has rows without a value.
    """
    table = read_row_group(row_group, schema.columns, schema.strings)
    for name in schema.roles:
        if table[name].null_count:
            raise DataError(f"{row_group[0]}: column '{name}' has rows without a value")
    return table


def event_columns(table: pa.Table, schema: EventSchema) -> dict[str, pa.Array]:
    """The columns of the events that the shuffle carries along, without ids."""
    columns = {}
    for name in schema.roles:
        if name == TIMESTAMP:
            columns[name] = single(table[name]).cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64())
        elif name == WEIGHT:
            columns[name] = single(table[name]).cast(pa.float32())
        elif name == SPLIT:
            columns[name] = _split_codes(single(table[name]))
        elif name == ORDER:
            columns[name] = single(table[name])
    if schema.event_weights is not None:
        weight = _weight_by_kind(plain_column(table, schema.event_weights.column), schema.event_weights)
        columns[WEIGHT] = pc.multiply(columns[WEIGHT], weight) if WEIGHT in columns else weight
    return columns | {CONTEXT_PREFIX + name: single(table[name]) for name in schema.context}


def _weight_by_kind(kinds: pa.Array, config: EventWeights) -> pa.Array:
    place = pc.index_in(kinds.cast(pa.string()), value_set=pa.array(config.weights, pa.string()))
    if place.null_count:
        unknown = kinds.filter(place.is_null())[0].as_py()
        raise DataError(
            f"training.event_weights has no weight for events whose '{config.column}' is {unknown!r}; it has weights "
            f"for {', '.join(config.weights)}"
        )
    return pa.array(list(config.weights.values()), pa.float32()).take(place)


def _split_codes(names: pa.DictionaryArray) -> pa.Array:
    codes = pc.index_in(names.dictionary.cast(pa.string()), value_set=pa.array(SPLITS[:3], pa.string()))
    codes = codes.cast(pa.int8()).take(names.indices)
    if codes.null_count:
        raise DataError(
            f"column 'split' must be one of {', '.join(SPLITS[:3])}, not {names.filter(codes.is_null())[0].as_py()!r}"
        )
    return codes
