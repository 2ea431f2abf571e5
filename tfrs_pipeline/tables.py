"""Tables as Arrow, pandas, text and HTML."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from dataplane.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_SHOWN = 20
"""Rows that are shown of a longer table."""
_NUMBERS = (int, float)


class Table:
    """A table in Arrow's memory, which notebooks show.

    Libraries that take Arrow's PyCapsule interface, such as Polars and DuckDB, take a `Table` as it is.
    """

    def __init__(self, rows: "pa.Table") -> None:
        self._rows = rows

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> "Table":
        """Makes a table of rows; a row may lack columns of others."""
        import pyarrow as pa

        names = list(dict.fromkeys(name for row in rows for name in row))
        return cls(pa.table({name: pa.array([row.get(name) for row in rows]) for name in names}))

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self._rows.column_names)

    def to_arrow(self) -> "pa.Table":
        """The table as Arrow has it, without a copy."""
        return self._rows

    def to_pandas(self) -> "pd.DataFrame":
        """The table as a data frame of pandas.

        Raises:
            ConfigError: pandas is not installed.
        """
        try:
            import pandas as _  # noqa: F401  here, because pyarrow's own message does not say what to install
        except ModuleNotFoundError:
            raise ConfigError("to_pandas needs pandas: pip install 'tfrs-pipeline[notebook]'") from None
        return self._rows.to_pandas()

    def to_pylist(self) -> list[dict[str, Any]]:
        """The rows as dictionaries."""
        rows: list[dict[str, Any]] = self._rows.to_pylist()
        return rows

    def __getitem__(self, column: str) -> list[Any]:
        """The values of a column."""
        values: list[Any] = self._rows[column].to_pylist()
        return values

    def __len__(self) -> int:
        rows: int = self._rows.num_rows
        return rows

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._rows.__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        from dataplane.text_tables import text_table

        rows = [[_text(value) for value in row] for row in self._head()]
        lines = text_table([self.columns, *rows], right=[place for place, it in enumerate(self._numeric()) if it])
        return "\n".join([*lines, *self._rest()])

    def _repr_html_(self) -> str:
        numeric = self._numeric()
        head = "".join(_cell("th", name, right) for name, right in zip(self.columns, numeric, strict=True))
        rows = (
            "".join(_cell("td", _text(value), right) for value, right in zip(row, numeric, strict=True))
            for row in self._head()
        )
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        rest = "".join(f"<p>{escape(line)}</p>" for line in self._rest())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"

    def _head(self) -> list[list[Any]]:
        return [list(row.values()) for row in self._rows.slice(0, _SHOWN).to_pylist()]

    def _numeric(self) -> list[bool]:
        import pyarrow.types as types

        return [types.is_integer(it.type) or types.is_floating(it.type) for it in self._rows.schema]

    def _rest(self) -> list[str]:
        return [f"… {len(self):,} rows"] if len(self) > _SHOWN else []


class Metrics(Mapping[str, float]):
    """Metrics of the model on the test events, by name.

    Attributes:
        table: the same beside the baselines and the served model, with the bounds of the intervals.
    """

    def __init__(self, values: Mapping[str, float], table: Table) -> None:
        self._values = dict(values)
        self.table = table

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}" if abs(value) < 1000 else f"{value:,.0f}"


def _cell(tag: str, text: str, right: bool) -> str:
    side = "right" if right else "left"
    return f'<{tag} style="text-align: {side}">{escape(text)}</{tag}>'
