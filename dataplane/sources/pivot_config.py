"""Tables in long form, a property of an entity on each row: which column is what, and up to when values are known."""

from typing import Annotated

from pydantic import Field, model_validator

from dataplane.sources.value_config import ColumnName, TimeUnit
from models.spec.moments import UtcMoment
from models.spec.strict import Strict


class Pivot(Strict):
    """Makes one row an entity of rows such as `item 5, price, 9.90, 2026-01-02`: the last value of each property.

    A value that came to be known after the events that are held out would tell the model what it is to predict, so
    only values from before the cut are taken. With `split: {method: time, validation_from: …}` that is the cut;
    otherwise `before` says it. `refresh-index`, which holds out nothing, takes the latest values.
    """

    property: ColumnName
    """Column with the name of the property."""
    value: ColumnName
    """Column with its value."""
    timestamp: ColumnName | None = None
    """When the value came to be; if absent, of several values the last in the files counts."""
    time_unit: TimeUnit = "auto"
    """What the timestamp counts, as `time_unit` of the interactions."""
    before: UtcMoment | None = None
    """Only values from before this moment are known; ISO date or time, UTC unless it says otherwise."""
    keep: Annotated[list[ColumnName], Field(min_length=1)]
    """Properties that become columns. They are text; a numeric or timestamp feature, `types`, `date_formats` or
    `list_columns` make numbers, moments or lists of them."""

    @model_validator(mode="after")
    def _columns_are_distinct(self) -> "Pivot":
        if len(set(self.columns())) < len(self.columns()):
            raise ValueError(f"pivot: property, value and timestamp are different columns, not {self.columns()}")
        if len(set(self.keep)) < len(self.keep):
            raise ValueError("pivot.keep names a property twice")
        if self.timestamp is None and (self.before is not None or self.time_unit != "auto"):
            raise ValueError("pivot: 'before' and 'time_unit' need pivot.timestamp")
        return self

    def columns(self) -> list[str]:
        """Source columns that are read."""
        return [self.property, self.value, *([] if self.timestamp is None else [self.timestamp])]
