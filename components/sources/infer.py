"""Drafts a configuration for files nobody has described: looks at a sample of each and says what it took for what."""

import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from glob import has_magic
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from components.errors import ConfigError, DataError
from components.sources.column_types import cast
from components.sources.config import CsvEntities, FileEntities, JsonlEntities, ParquetEntities, Split
from components.sources.files import SourceFile, source_files
from components.sources.piece_rows import partition_types, rows_of
from components.sources.profile import Column, guess_feature, profile
from components.sources.readers import make_reader
from components.sources.sniff import sniff
from components.sources.table_roles import Roles, describes, find_interactions
from components.storage import is_remote

_FILES = 4
_BATCHES = 4
_ROWS = 200_000
_FORMATS = {".parquet": "parquet", ".pq": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
_SOURCES: dict[str, type[FileEntities]] = {"parquet": ParquetEntities, "csv": CsvEntities, "jsonl": JsonlEntities}
_SPLIT_NAMES: dict[Split, str] = {"train": r"train", "validation": r"valid|^val\b|dev", "test": r"test|holdout"}


@dataclass
class _Group:
    """Files that are one table.

    Attributes:
        paths: what the user called them: files, directories, globs.
        size: bytes of all files.
        settings: format settings, as in the configuration.
        columns: what a sample of a few files says.
        splits: split of each path, where their names say it.
        used_as: `interactions`, `queries`, `candidates`, or empty.
    """

    paths: list[str]
    size: int
    settings: dict[str, Any]
    columns: dict[str, Column]
    splits: dict[Split, str] = field(default_factory=dict)
    used_as: str = ""


def draft_config(paths: Sequence[str], name: str = "") -> str:
    """A commented configuration for a user's Parquet, CSV or JSONL files, as YAML.

    Guesses delimiters, encodings and headers, which file holds the interactions and which describe queries or
    candidates, the id, time and weight columns, and what kind of feature each other column could be.

    Args:
        paths: files, directories or globs, local or in object stores; those named train, validation and test are
            taken for a split made already.
        name: of the pipeline; by default that of the directory.

    Raises:
        ConfigError: there is no such file.
        DataError: a file cannot be read, or no table has two id columns.
    """
    # Not resolved: a link may point elsewhere tomorrow.
    paths = [path if is_remote(path) else os.path.abspath(path) for path in paths]  # noqa: PTH100
    base = _common_directory([path for path in paths if not is_remote(path)])
    groups = _grouped([_look(path, base) for path in paths])
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


def _common_directory(paths: Sequence[str]) -> Path:
    plain = [path.split("/") for path in paths]
    fixed = [next((n for n, part in enumerate(parts) if has_magic(part)), len(parts)) for parts in plain]
    folders = ["/".join(parts[: min(end, len(parts) - 1)]) or "/" for parts, end in zip(plain, fixed, strict=True)]
    return Path(os.path.commonpath(folders)) if folders else Path.cwd()


def _look(path: str, base: Path) -> _Group:
    kind, files = _files(path, base)
    settings: dict[str, Any] = {"format": kind}
    if kind == "csv":
        dialect = sniff(files[0].location)
        settings |= {"delimiter": dialect.delimiter} if dialect.delimiter != "," else {}
        settings |= {"encoding": dialect.encoding} if dialect.encoding != "utf-8" else {}
        settings |= {} if dialect.header else {"names": [f"column{n + 1}" for n in range(dialect.columns)]}
    sample = _sample(files[:: math.ceil(len(files) / _FILES)], settings)
    if sample.num_rows == 0:
        raise DataError(f"{files[0].location} has no rows")
    return _Group([path], sum(file.size for file in files), settings, profile(sample, texts=kind == "csv"))


def _files(path: str, base: Path) -> tuple[str, list[SourceFile]]:
    """Format and files of a path: the first format of which there are any."""
    for kind, model in _SOURCES.items():
        try:
            files = source_files(model.model_validate({"format": kind, "path": path, "id": "any"}), base)
        except ValidationError as error:
            raise ConfigError(f"{path}: {error.errors()[0]['msg']}") from None
        except DataError:
            continue
        suffix = next((s for s in reversed(Path(files[0].name).suffixes) if s not in (".gz", ".zst")), "")
        return _FORMATS.get(suffix, "csv"), files
    raise ConfigError(f"{path} is no file, and no directory or glob with a .parquet, .csv or .jsonl file")


def _sample(files: Sequence[SourceFile], settings: Mapping[str, Any]) -> pa.Table:
    source = _SOURCES[settings["format"]].model_validate({**settings, "path": files[0].location, "id": "any"})
    reader = make_reader("sample", source, files, None)
    pieces = list({piece.file: piece for piece in reversed(reader.pieces())}.values())  # the first of each file
    batches = [rows.batch for piece in pieces for rows in islice(rows_of(reader, piece, None, None), _BATCHES)]
    tables = [pa.Table.from_batches([batch]).slice(0, _ROWS // len(pieces)) for batch in batches if batch.num_rows]
    try:
        table = pa.concat_tables(tables, promote_options="permissive").slice(0, _ROWS) if tables else pa.table({})
    except pa.ArrowException as error:
        raise DataError(f"the types of a column differ among {', '.join(f.name for f in files)}: {error}") from error
    for name, kind in partition_types(pieces).items():
        table = table.set_column(table.column_names.index(name), name, cast(table[name].combine_chunks(), kind))
    return table


def _grouped(tables: list[_Group]) -> list[_Group]:
    """Puts files with the same columns together: parts of a table, or splits if their names say so."""
    groups: list[_Group] = []
    for table in tables:
        same = [
            group for group in groups if group.settings == table.settings and list(group.columns) == list(table.columns)
        ]
        split = _split_of(table.paths[0])
        if same and ("names" not in table.settings or (split and same[0].splits and split not in same[0].splits)):
            same[0].paths += table.paths
            same[0].size += table.size
        else:
            groups.append(table)
            same = [table]
        if split:
            same[0].splits.setdefault(split, table.paths[0])
    return groups


def _split_of(path: str) -> Split | None:
    stem = Path(path).stem.lower()
    return next((split for split, pattern in _SPLIT_NAMES.items() if re.search(pattern, stem)), None)


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
            yield f"  # not used: {', '.join(Path(path).name for path in group.paths)}"
    yield ""
    yield from _feature_lines(interactions, roles, entities)


def _weight_line(column: Column) -> str:
    values = sorted(set(column.numbers().to_pylist()))
    if values == [0.0, 1.0]:
        return "    min_weight: 1  # an event of weight 0 would count as a choice, too"
    return f"    # min_weight: {values[len(values) * 3 // 5]:g}  # keeps only events with at least this weight"


def _source_lines(group: _Group, base: Path) -> Iterator[str]:
    names = {path: path if is_remote(path) else Path(path).relative_to(base).as_posix() for path in group.paths}
    path: Any = list(names.values()) if len(names) > 1 else names[group.paths[0]]
    if group.used_as == "interactions" and len(group.splits) > 1 and len(group.splits) == len(names):
        path = {split: names[written] for split, written in group.splits.items()}
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
