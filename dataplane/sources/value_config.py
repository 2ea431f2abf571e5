"""What a user says about the values of a table's columns: what they hold, how it is written, what means nothing."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from dataplane.sources.ingestion.date_formats import problem_of
from models.spec.strict import Strict

ColumnName: TypeAlias = Annotated[str, Field(min_length=1)]
TimeUnit: TypeAlias = Literal["auto", "s", "ms", "us", "ns", "iso", "yyyymmdd"]
ColumnKind: TypeAlias = Literal["number", "time", "list", "vector"]


class ValueSettings(Strict):
    """Settings of every table, whatever its format."""

    types: dict[ColumnName, ColumnKind] = Field(default_factory=dict)
    """What columns hold, though a few of their values are something else: `year: number`, `released: time`. A row with
    a value that is neither that nor missing is a dead letter. `list` (of texts) and `vector` (of numbers) say what a
    column without a single value would hold. Columns that features read need not be named: the features say it."""
    null_values: list[str] = []
    """Texts that mean that there is no value, exactly so, in all columns. In columns of numbers, flags and moments
    these do besides, in any case: `-`, `--`, `.`, `?`, `\\N`, `NULL`, `(null)`, `None`, `nil`, `NA`, `N/A`, `#N/A`,
    `<NA>`, `NaN`, `NaT`; see `dataplane.sources.ingestion.missing_texts`."""
    date_formats: dict[ColumnName, str] = Field(default_factory=dict)
    """Columns of dates or times in another notation than ISO 8601, and how they are written, in the letters of
    `strftime`: `bought: "%d.%m.%Y %H:%M"`, `at: "%d/%b/%Y:%H:%M:%S %z"`. Names of months and days are English, years of
    two digits are 1969 to 2068, and without `%z` times are UTC. A row whose date does not fit is a dead letter.

    ISO 8601 needs none, nor its relatives of databases: `2026-01-02 03:04:05.123456 UTC`, `2026-01-02 03:04:05+00`."""
    decimal_commas: list[ColumnName] = Field(default_factory=list)
    """Columns of numbers with a decimal comma, and points or spaces between thousands, if any: `1.234,50`."""
    thousands_commas: list[ColumnName] = Field(default_factory=list)
    """Columns of numbers with commas between thousands: `1,234.50`."""

    @field_validator("date_formats")
    @classmethod
    def _formats_are_of_dates(cls, value: dict[str, str]) -> dict[str, str]:
        for column, written in value.items():
            if problem := problem_of(written):
                raise ValueError(f"{column}: {problem}")
        return value

    @model_validator(mode="after")
    def _columns_are_one_thing(self) -> "ValueSettings":
        taken: dict[str, str] = {}
        for setting, kind in (("date_formats", "time"), ("decimal_commas", "number"), ("thousands_commas", "number")):
            for column in getattr(self, setting):
                if taken.setdefault(column, setting) != setting:
                    raise ValueError(f"column {column!r} is in both '{taken[column]}' and '{setting}'")
                if self.types.get(column, kind) != kind:
                    raise ValueError(f"column {column!r} is in '{setting}', but types say {self.types[column]!r}")
        return self

    def kinds(self) -> dict[str, ColumnKind]:
        """What the settings say that columns hold."""
        numbers: dict[str, ColumnKind] = dict.fromkeys([*self.decimal_commas, *self.thousands_commas], "number")
        return {**numbers, **dict.fromkeys(self.date_formats, "time"), **self.types}
