"""Drafts a configuration for files nobody has described: looks at a sample of each and says what it took for what."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.errors import ConfigError, DataError
from components.sources.config import CsvEntities, FileEntities, JsonlEntities, ParquetEntities, Split
from components.sources.profile import Column, guess_feature, profile
from components.sources.readers import make_reader
from components.sources.sniff import sniff
from components.sources.table_roles import Roles, describes, find_interactions

_BATCHES = 4
_ROWS = 200_000
_FORMATS = {".parquet": "parquet", ".pq": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
_SOURCES: dict[str, type[FileEntities]] = {"parquet": ParquetEntities, "csv": CsvEntities, "jsonl": JsonlEntities}
_SPLIT_NAMES: dict[Split, str] = {"train": r"train", "validation": r"valid|^val\b|dev", "test": r"test|holdout"}


@dataclass
class _Group:
    """Files that are one table.

    Attributes:
        files: its files.
        settings: format settings, as in the configuration.
        columns: what a sample of the first file says.
        splits: split of each file, where their names say it.
        used_as: `interactions`, `queries`, `candidates`, or empty.
    """

    files: list[Path]
    settings: dict[str, Any]
    columns: dict[str, Column]
    splits: dict[Split, Path] = field(default_factory=dict)
    used_as: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.stat().st_size for file in self.files)


def draft_config(files: Sequence[Path], name: str = "") -> str:
    """A commented configuration for a user's Parquet, CSV or JSONL files, as YAML.

    Guesses delimiters, encodings and headers, which file holds the interactions and which describe queries or
    candidates, the id, time and weight columns, and what kind of feature each other column could be.

    Args:
        files: the files; those named train, validation and test are taken for a split made already.
        name: of the pipeline; by default that of the directory.

    Raises:
        ConfigError: a file does not exist.
        DataError: a file cannot be read, or no table has two id columns.
    """
    for file in files:
        if not file.is_file():
            raise ConfigError(f"{file} is not a file")
    # Not resolved: a link may point elsewhere tomorrow.
    files = [Path(os.path.abspath(file)) for file in files]  # noqa: PTH100
    base = Path(os.path.commonpath([file.parent for file in files]))
    groups = _grouped([_look(file) for file in files])
    index, roles = find_interactions([group.columns for group in groups], [group.size for group in groups])
    interactions = groups[index]
    interactions.used_as = "interactions"
    entities = {
        "queries": _entity_table(groups, interactions.columns[roles.query_id]),
        "candidates": _entity_table(groups, interactions.columns[roles.candidate_id]),
    }
    for table, found in entities.items():
        if found is not None:
            found[0].used_as = table
    return "\n".join(_lines(name or base.name, base, groups, interactions, roles, entities)) + "\n"


def _look(file: Path) -> _Group:
    suffix = next((s for s in reversed(file.suffixes) if s != ".gz"), "")
    kind = _FORMATS.get(suffix, "csv")
    settings: dict[str, Any] = {"format": kind}
    if kind == "csv":
        dialect = sniff(file)
        settings |= {"delimiter": dialect.delimiter} if dialect.delimiter != "," else {}
        settings |= {"encoding": dialect.encoding} if dialect.encoding != "utf-8" else {}
        settings |= {} if dialect.header else {"names": [f"column{n + 1}" for n in range(dialect.columns)]}
    sample = _sample(file, settings)
    if sample.num_rows == 0:
        raise DataError(f"{file} has no rows")
    return _Group([file], settings, profile(sample, texts=kind == "csv"))


def _sample(file: Path, settings: Mapping[str, Any]) -> pa.Table:
    source = _SOURCES[settings["format"]].model_validate({**settings, "path": str(file), "id": "any"})
    reader = make_reader("sample", source, None)
    batches = [rows.batch for piece in reader.pieces()[:1] for rows in islice(reader.read(piece, None, None), _BATCHES)]
    tables = [pa.Table.from_batches([batch]) for batch in batches if batch.num_rows]
    return pa.concat_tables(tables, promote_options="permissive").slice(0, _ROWS) if tables else pa.table({})


def _grouped(tables: list[_Group]) -> list[_Group]:
    """Puts files with the same columns together: parts of a table, or splits if their names say so."""
    groups: list[_Group] = []
    for table in tables:
        same = [
            group for group in groups if group.settings == table.settings and list(group.columns) == list(table.columns)
        ]
        split = _split_of(table.files[0])
        if same and ("names" not in table.settings or (split and same[0].splits and split not in same[0].splits)):
            same[0].files += table.files
        else:
            groups.append(table)
            same = [table]
        if split:
            same[0].splits.setdefault(split, table.files[0])
    return groups


def _split_of(file: Path) -> Split | None:
    return next((split for split, pattern in _SPLIT_NAMES.items() if re.search(pattern, file.stem.lower())), None)


def _entity_table(groups: Iterable[_Group], ids: Column) -> tuple[_Group, str] | None:
    """The unused table that describes the entities best, and its id column; of equals the one with more features."""
    found: list[tuple[tuple[float, int], _Group, str]] = []
    for group in groups:
        match = None if group.used_as else describes(group.columns, ids)
        if match is not None:
            features = sum(bool(guess_feature(column).settings) for column in group.columns.values())
            found.append(((round(match[0], 1), features), group, match[1]))
    if not found:
        return None
    _, group, column = max(found, key=lambda entry: entry[0])
    return group, column


def _lines(
    name: str, base: Path, groups: Sequence[_Group], interactions: _Group, roles: Roles,
    entities: Mapping[str, tuple[_Group, str] | None],
) -> Iterator[str]:  # fmt: skip
    yield "# Drafted from a sample of the files: read it, correct it, then `python -m pipeline run` it."
    yield "schema_version: 1"
    yield f"name: {re.sub(r'[^a-z0-9]+', '_', name.lower()).strip('_')[:60] or 'my_pipeline'}"
    yield ""
    yield "data:"
    yield f"  base_dir: {_yaml(str(base))}  # relative paths start here"
    yield "  interactions:"
    yield from _source_lines(interactions, base)
    yield f"    columns: {_yaml(roles.mapped())}" + ("" if roles.named else "  # check: not clear from the names")
    if roles.timestamp:
        yield "    # time_unit: s  # found out from the values if not given; s, ms, us or iso"
    if roles.weight:
        yield _weight_line(interactions.columns[roles.weight])
    for table, found in entities.items():
        if found is None:
            yield f"  # {table}: no file describes them"
            continue
        yield f"  {table}:"
        yield from _source_lines(found[0], base)
        yield f"    id: {_yaml(found[1])}"
        separators = _separators(found[0], found[1])
        if separators:
            yield f"    list_columns: {_yaml(separators)}"
    for group in groups:
        if not group.used_as:
            yield f"  # not used: {', '.join(file.name for file in group.files)}"
    yield ""
    yield from _feature_lines(interactions, roles, entities)


def _weight_line(column: Column) -> str:
    values = sorted(set(column.numbers().to_pylist()))
    if values == [0.0, 1.0]:
        return "    min_weight: 1  # an event of weight 0 would count as a choice, too"
    return f"    # min_weight: {values[len(values) * 3 // 5]:g}  # keeps only events with at least this weight"


def _source_lines(group: _Group, base: Path) -> Iterator[str]:
    names = {file: file.relative_to(base).as_posix() for file in group.files}
    path: Any = list(names.values()) if len(names) > 1 else names[group.files[0]]
    if group.used_as == "interactions" and len(group.splits) > 1 and len(group.splits) == len(names):
        path = {split: names[file] for split, file in group.splits.items()}
    yield f"    format: {group.settings['format']}"
    yield f"    path: {_yaml(path)}"
    for key, value in group.settings.items():
        if key != "format":
            note = "  # the files have no header; write what the columns are" if key == "names" else ""
            yield f"    {key}: {_yaml(value)}{note}"


def _separators(group: _Group, id_column: str) -> dict[str, str]:
    guesses = {name: guess_feature(column) for name, column in group.columns.items() if name != id_column}
    return {name: guess.separator for name, guess in guesses.items() if guess.separator is not None}


def _feature_lines(
    interactions: _Group, roles: Roles, entities: Mapping[str, tuple[_Group, str] | None]
) -> Iterator[str]:
    yield "features:"
    yield "  # Query and candidate ids need not be listed: candidates have theirs, queries are known by their history."
    for side, table in (("query", "queries"), ("candidate", "candidates")):
        found = entities[table]
        lines = [] if found is None else list(_guessed(found[0], {found[1]}))
        if any(not line.lstrip().startswith("#") for line in lines):
            yield f"  {side}:"
        yield from lines
    context = list(_guessed(interactions, set(roles.mapped().values())))
    if roles.timestamp:
        context.append("    timestamp: {type: timestamp, parts: [hour, weekday]}")
    if context:
        yield "  # What is known about the moment of a request could go here; never what is known only afterwards."
        yield "  # context:"
        yield from (f"  # {line[2:]}" for line in context)
    yield "  history: {max_length: 50}"


def _guessed(group: _Group, used: set[str]) -> Iterator[str]:
    for name, column in group.columns.items():
        if name in used:
            continue
        guess = guess_feature(column)
        feature = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")
        if not guess.settings or not re.match(r"^[A-Za-z]", feature) or len(feature) > 64:
            yield f"    # {name}: left out, {guess.why or 'no name for it'}"
            continue
        settings = {**guess.settings, **({"column": name} if feature != name else {})}
        yield f"    {feature}: {_yaml(settings)}  # {guess.why}"


def _yaml(value: Any) -> str:
    """A value in YAML's flow style, of which JSON is a part; plain words go without quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_yaml(key)}: {_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, str) and re.match(r"^[A-Za-z_/][\w./-]*$", value) and not _is_yaml_word(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _is_yaml_word(text: str) -> bool:
    return text.lower() in ("true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf")
