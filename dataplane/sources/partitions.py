"""Hive partitions: columns whose value is the name of a directory, such as `dt=2026-11-22/country=NL/part.parquet`.

Every directory named `COLUMN=VALUE` on a file's path, below where the configuration's paths start, is a column of all
of the file's rows. Both parts are URL-decoded, `__HIVE_DEFAULT_PARTITION__` is a missing value. Types are told from
the values of all files, as those of CSV columns are: whole numbers without leading zeros, numbers, ISO dates and
times, true and false, else text; ids stay text as written.
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
    """Whether a directory's name is that of a partition."""
    return _PARTITION.fullmatch(directory) is not None


def partitions_of(name: str) -> Partitions:
    """Partitions that a file's path tells.

    Raises:
        DataError: a column is given twice.
    """
    matches = [match for part in name.split("/")[:-1] if (match := _PARTITION.fullmatch(part))]
    found = tuple((unquote(match[1]), None if match[2] == _NULL else unquote(match[2])) for match in matches)
    if len(dict(found)) != len(found):
        raise DataError(f"the path {name} gives a partition column twice")
    return found


def same_partitions(files: Mapping[str, Partitions]) -> None:
    """Checks that all files are partitioned by the same columns.

    Raises:
        DataError: they are not.
    """
    seen: dict[tuple[str, ...], str] = {}
    for name, partitions in files.items():
        seen.setdefault(tuple(sorted(dict(partitions))), name)
    if len(seen) > 1:
        told = "; ".join(f"{name}: {', '.join(columns) or 'none'}" for columns, name in list(seen.items())[:3])
        raise DataError(f"files of one table must be partitioned by the same columns, which differ ({told})")
