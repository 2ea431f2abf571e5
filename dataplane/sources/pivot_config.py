"""Settings of tables in long form, which have one property of an entity per row."""

from typing import Annotated

from pydantic import Field, model_validator

from dataplane.sources.value_config import ColumnName, TimeUnit
from models.spec.moments import UtcMoment
from models.spec.strict import Strict


class Pivot(Strict):
    """Turns a table in long form, with rows such as `item 5, price, 9.90, 2026-01-02`, into one row per entity.

    Each property becomes a column that holds its last value before a cut. The cut keeps out values that became known
    after the held-out events, because they would reveal to the model what it must predict. With
    `split: {method: time, validation_from: …}` the cut is `validation_from`; otherwise it is `before`.
    `refresh-index` holds out no events, so it takes the latest values.
    """

    property: ColumnName
    """Column with the name of the property."""
    value: ColumnName
    """Column with the value of the property."""
    timestamp: ColumnName | None = None
    """Column with the time at which the value became known. Without it, the last value in file order counts."""
    time_unit: TimeUnit = "auto"
    """Unit of the timestamp, as `time_unit` of the interactions."""
    before: UtcMoment | None = None
    """The cut: only values with an earlier timestamp are used. An ISO 8601 date or time, in UTC unless it has a time
    zone."""
    keep: Annotated[list[ColumnName], Field(min_length=1)]
    """Properties that become columns. The columns are text, unless a numeric or timestamp feature reads them or
    `types`, `date_formats` or `list_columns` names them."""

    @model_validator(mode="after")
    def _columns_are_distinct(self) -> "Pivot":
        if len(set(self.columns())) < len(self.columns()):
            raise ValueError(f"pivot: property, value and timestamp must be different columns, not {self.columns()}")
        if len(set(self.keep)) < len(self.keep):
            raise ValueError("pivot.keep names a property twice")
        if self.timestamp is None and (self.before is not None or self.time_unit != "auto"):
            raise ValueError("pivot: 'before' and 'time_unit' need pivot.timestamp")
        return self

    def columns(self) -> list[str]:
        """Source columns that the pivot reads."""
        return [self.property, self.value, *([] if self.timestamp is None else [self.timestamp])]
