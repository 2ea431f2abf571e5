"""Settings of a table's values: column types, notations of dates and numbers, and texts that mean a missing value."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from dataplane.sources.ingestion.date_formats import problem_of
from models.spec.strict import Strict

ColumnName: TypeAlias = Annotated[str, Field(min_length=1)]
TimeUnit: TypeAlias = Literal["auto", "s", "ms", "us", "ns", "iso", "yyyymmdd"]
ColumnKind: TypeAlias = Literal["number", "time", "list", "vector"]


class ValueSettings(Strict):
    """Settings of a table's values that apply to every format."""

    types: dict[ColumnName, ColumnKind] = Field(default_factory=dict)
    """Types of columns, such as `year: number` or `released: time`, for columns in which a few values have another
    type. A row whose value is neither of the type nor missing becomes a dead letter. `list` (of texts) and `vector`
    (of numbers) give the type of a column that has no values at all. Columns that features read need no entry,
    because the features determine their type."""
    null_values: list[str] = []
    """Texts that mean a missing value, in all columns; only exact matches count. Columns of numbers, flags and
    timestamps also accept these markers, in upper or lower case: `-`, `--`, `.`, `?`, `\\N`, `NULL`, `(null)`,
    `None`, `nil`, `NA`, `N/A`, `#N/A`, `<NA>`, `NaN`, `NaT`."""
    date_formats: dict[ColumnName, str] = Field(default_factory=dict)
    """Columns of dates or times in another notation than ISO 8601, and how they are written, in the letters of
    `strftime`: `bought: "%d.%m.%Y %H:%M"`, `at: "%d/%b/%Y:%H:%M:%S %z"`. Names of months and days are English, years of
    two digits are 1969 to 2068, and without `%z` (a distance such as `+0100`) or `%Z` (a name such as `Europe/Berlin`)
    times are UTC. A row whose date does not fit is a dead letter.

    ISO 8601 needs none, nor its relatives of databases: `2026-01-02 03:04:05.123456 UTC`, `2026-01-02 03:04:05+00`,
    `2026-01-02 03:04:05 Europe/Berlin`."""
    decimal_commas: list[ColumnName] = Field(default_factory=list)
    """Columns of numbers with a decimal comma, such as `1.234,50`. Points or spaces may separate thousands."""
    thousands_commas: list[ColumnName] = Field(default_factory=list)
    """Columns of numbers with commas between thousands, such as `1,234.50`."""

    @field_validator("date_formats")
    @classmethod
    def _date_formats_are_valid(cls, value: dict[str, str]) -> dict[str, str]:
        for column, written in value.items():
            if problem := problem_of(written):
                raise ValueError(f"{column}: {problem}")
        return value

    @model_validator(mode="after")
    def _settings_agree(self) -> "ValueSettings":
        taken: dict[str, str] = {}
        for setting, kind in (("date_formats", "time"), ("decimal_commas", "number"), ("thousands_commas", "number")):
            for column in getattr(self, setting):
                if taken.setdefault(column, setting) != setting:
                    raise ValueError(f"column {column!r} is in both '{taken[column]}' and '{setting}'")
                if self.types.get(column, kind) != kind:
                    raise ValueError(f"column {column!r} is in '{setting}', but 'types' says {self.types[column]!r}")
        return self

    def kinds(self) -> dict[str, ColumnKind]:
        """Column types that the settings determine, by column name."""
        numbers: dict[str, ColumnKind] = dict.fromkeys([*self.decimal_commas, *self.thousands_commas], "number")
        return {**numbers, **dict.fromkeys(self.date_formats, "time"), **self.types}
