"""Hive partitions: columns whose values are in directory names, as in `dt=2026-11-22/country=NL/part.parquet`.

Every directory `COLUMN=VALUE` on a file's path gives all rows of the file a column. Only directories below the base
directory of the configuration count. Both parts are URL-decoded, and `__HIVE_DEFAULT_PARTITION__` is a missing value.
Types are inferred from the values of all files, like those of CSV columns: integers without leading zeros, numbers,
ISO dates and times, true and false, otherwise text. Ids stay text as written.
"""

import re
from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import unquote

from dataplane.errors import DataError

Partitions: TypeAlias = tuple[tuple[str, str | None], ...]
"""Column and value of each partition directory of a file, outermost first."""

_PARTITION = re.compile(r"([^=]+)=(.*)")
_NULL = "__HIVE_DEFAULT_PARTITION__"


def is_partition(directory: str) -> bool:
    """Whether a directory name has the form `COLUMN=VALUE`."""
    return _PARTITION.fullmatch(directory) is not None


def partitions_of(name: str) -> Partitions:
    """Partitions in a file's path, relative to the base directory.

    Raises:
        DataError: the path names a column twice.
    """
    matches = [match for part in name.split("/")[:-1] if (match := _PARTITION.fullmatch(part))]
    found = tuple((unquote(match[1]), None if match[2] == _NULL else unquote(match[2])) for match in matches)
    if len(dict(found)) != len(found):
        raise DataError(f"the path {name} names a partition column twice")
    return found


def check_same_partitions(files: Mapping[str, Partitions]) -> None:
    """Checks that all files have the same partition columns.

    Args:
        files: partitions of each file by its name.

    Raises:
        DataError: the columns differ.
    """
    seen: dict[tuple[str, ...], str] = {}
    for name, partitions in files.items():
        seen.setdefault(tuple(sorted(dict(partitions))), name)
    if len(seen) > 1:
        examples = "; ".join(f"{name}: {', '.join(columns) or 'none'}" for columns, name in list(seen.items())[:3])
        raise DataError(f"all files of a table must have the same partition columns, but these differ ({examples})")
