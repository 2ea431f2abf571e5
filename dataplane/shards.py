"""Shards of a table: the Parquet files of its directory, in the order of their names."""

from pathlib import Path


def shard_path(directory: Path, number: int) -> Path:
    """Path of a shard of a table: 3 shards are `part-00000.parquet` to `part-00002.parquet`."""
    return directory / f"part-{number:05d}.parquet"


def shards_of(directory: Path) -> list[Path]:
    """The shards of a table in order; an empty list if the directory does not exist."""
    return sorted(directory.glob("*.parquet"))
