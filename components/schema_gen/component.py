"""SchemaGen: the expected type and values of every column, inferred from the statistics or pinned by the user.

`schema.pbtxt` is a tensorflow-metadata Schema with one feature per column of every table, named `TABLE/COLUMN`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from components.base import Component, ExecutionContext, Prepared
from components.schema_gen.params import MAX_DOMAIN, SchemaGenParams
from dataplane.artifacts import Schema, Statistics
from dataplane.artifacts.statistics import ColumnReport, StatisticsReport, TableReport
from dataplane.errors import ConfigError

if TYPE_CHECKING:
    from dataplane.statistics.tfmd import ColumnSchema

_IDS = ("query_id", "candidate_id")


class SchemaGen(Component["SchemaGen.Inputs", "SchemaGen.Outputs", SchemaGenParams]):
    """Infers a schema from statistics, or copies the pinned one."""

    @dataclass(frozen=True)
    class Inputs:
        """Artifacts that SchemaGen reads."""

        statistics: Statistics

    @dataclass(frozen=True)
    class Outputs:
        """Artifacts that SchemaGen writes."""

        schema: Schema

    def execute(self, inputs: Inputs, outputs: Outputs, context: ExecutionContext) -> Mapping[str, Any]:
        """Writes `schema.pbtxt`; facts are the number of columns and whether the schema was pinned.

        Raises:
            ConfigError: the pinned file does not exist.
            DataError: the pinned file is not a schema; the message names file and line.
        """
        return self._write(self._pinned(), inputs, outputs, context)

    def prepare(self) -> Prepared[Inputs, Outputs]:
        """Reads the pinned file and digests its content.

        Raises:
            ConfigError: the pinned file does not exist.
        """
        pinned = self._pinned()
        external = {} if pinned is None else {"schema.path": hashlib.sha256(pinned).hexdigest()}
        return Prepared(external, partial(self._write, pinned))

    def _write(
        self, pinned: bytes | None, inputs: Inputs, outputs: Outputs, context: ExecutionContext
    ) -> Mapping[str, Any]:
        from dataplane.statistics.tfmd import parse_schema, schema_text

        if pinned is None:
            tables = _infer(StatisticsReport.read(inputs.statistics).root)
        else:
            tables = parse_schema(pinned, str(self.params.path))
        outputs.schema.path.mkdir(parents=True, exist_ok=True)
        (outputs.schema.path / "schema.pbtxt").write_bytes(schema_text(tables).encode() if pinned is None else pinned)
        return {"columns": sum(map(len, tables.values())), "pinned": pinned is not None}

    def _pinned(self) -> bytes | None:
        path = self.params.path
        if path is None:
            return None
        if not path.is_file():
            raise ConfigError(f"schema.path: {path} is not a file; correct the path, or remove it to infer a schema")
        return path.read_bytes()


def _infer(statistics: Mapping[str, TableReport]) -> dict[str, dict[str, "ColumnSchema"]]:
    return {
        table: {name: _infer_column(name, facts, rows=report.rows) for name, facts in report.columns.items()}
        for table, report in statistics.items()
    }


def _infer_column(name: str, facts: ColumnReport, *, rows: int) -> "ColumnSchema":
    from dataplane.statistics.tfmd import ColumnSchema

    shortest, longest = facts.list_length.min, facts.list_length.max
    # Lists of equal length are vectors. With length 1 the schema would describe a plain column, so no length is set.
    is_vector = longest is not None and shortest == longest > 1
    return ColumnSchema(
        type=facts.type,
        min_fraction=1.0 if not facts.missing else 0.0,
        min_count=1 if 0 < facts.missing < rows else 0,
        min_length=shortest if is_vector else None,
        max_length=longest,
        domain=_domain(name, facts),
    )


def _domain(name: str, facts: ColumnReport) -> tuple[str, ...] | None:
    """Values of a string column with few distinct values that mostly repeat; None for other columns."""
    if name in _IDS or facts.top_values is None:
        return None
    if not 0 < facts.distinct <= MAX_DOMAIN or 2 * facts.distinct > facts.elements:
        return None
    return tuple(sorted(top.value for top in facts.top_values))
