"""`TableStatistics` as a file: an Arrow table of one row whose cells hold the arrays, with the scalars as JSON.

What is read back merges as what was written. The file holds data alone, so that reading one that somebody else wrote
runs no code of theirs.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from dataplane.columns.exact_moments import ExactMoments
from dataplane.statistics.column_statistics import ColumnStatistics, Extent, NumberStatistics
from dataplane.statistics.count_sketch import Counted, CountSketch
from dataplane.statistics.table_statistics import RowSample, TableStatistics

_SCALARS = b"statistics"
_PAIRS = "pairs"
_OF_COLUMN = ("present", "elements", "null_elements")
_OF_NUMBERS = ("nan", "infinite", "zeros", "minimum", "maximum")


def write_statistics(file: Path, statistics: TableStatistics) -> None:
    """Writes statistics to a file."""
    cells = dict(_sketch_cells(_PAIRS, statistics.pairs))
    for name, column in statistics.columns.items():
        cells |= _sketch_cells(f"counts {name}", column.counts)
    sampled = statistics.sample.table()
    cells |= {} if sampled is None else {f"sample {name}": sampled[name] for name in sampled.column_names}
    scalars = {
        "rows": statistics.rows,
        "pairs_complete": statistics.pairs.complete,
        "columns": {name: _column_scalars(column) for name, column in statistics.columns.items()},
    }
    table = pa.table({name: _cell(values) for name, values in cells.items()} or {"": pa.nulls(1)})
    table = table.replace_schema_metadata({_SCALARS: json.dumps(scalars)})
    with pa.ipc.new_file(str(file), table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)


def read_statistics(file: Path) -> TableStatistics:
    """Reads the statistics of a file."""
    with pa.ipc.open_file(str(file)) as reader:
        table = reader.read_all()
    table.validate(full=True)
    scalars = json.loads(table.schema.metadata[_SCALARS])
    cells = {name: table[name].chunk(0).flatten() for name in table.column_names if name}
    sampled = {name.removeprefix("sample "): values for name, values in cells.items() if name.startswith("sample ")}
    statistics = TableStatistics(rows=scalars["rows"], sample=RowSample.of(pa.table(sampled) if sampled else None))
    statistics.pairs = _sketch(_PAIRS, cells, is_complete=scalars["pairs_complete"])
    for name, found in scalars["columns"].items():
        statistics.columns[name] = _column(found, _sketch(f"counts {name}", cells, is_complete=found["complete"]))
    return statistics


def _column_scalars(column: ColumnStatistics) -> dict[str, Any]:
    moments = column.numbers.moments
    return {
        "type": column.type,
        "complete": column.counts.complete,
        **{name: getattr(column, name) for name in _OF_COLUMN},
        "list_length": asdict(column.list_length),
        "string_length": asdict(column.string_length),
        "numbers": {name: getattr(column.numbers, name) for name in _OF_NUMBERS},
        "moments": [moments.count, *map(str, (moments.total, moments.squares))],
    }


def _column(found: dict[str, Any], counts: CountSketch) -> ColumnStatistics:
    count, total, squares = found["moments"]
    moments = ExactMoments(count, Fraction(total), Fraction(squares))
    return ColumnStatistics(
        type=found["type"],
        **{name: found[name] for name in _OF_COLUMN},
        list_length=Extent(**found["list_length"]),
        string_length=Extent(**found["string_length"]),
        numbers=NumberStatistics(**found["numbers"], moments=moments),
        counts=counts,
    )


def _sketch_cells(name: str, sketch: CountSketch) -> Iterator[tuple[str, Any]]:
    """The arrays of a sketch by the names of their cells; none if nothing was counted."""
    sketch.compact()
    if sketch.kept is not None:
        for part in ("hashes", "counts", "values"):
            yield f"{name} {part}", getattr(sketch.kept, part)


def _sketch(name: str, cells: dict[str, pa.Array], *, is_complete: bool) -> CountSketch:
    if f"{name} values" not in cells:
        return CountSketch(complete=is_complete)
    hashes, counts = (cells[f"{name} {part}"].to_numpy() for part in ("hashes", "counts"))
    return CountSketch(kept=Counted(hashes, counts, cells[f"{name} values"]), complete=is_complete)


def _cell(values: Any) -> pa.Array:
    """A column with one row that holds all values."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else pa.array(values)
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    return pa.LargeListArray.from_arrays(pa.array([0, len(array)], pa.int64()), array)
