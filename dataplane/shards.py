"""A table as a directory of Parquet files, its shards, in the order of their names."""

from pathlib import Path


def shard_path(directory: Path, number: int) -> Path:
    """Where a shard of a table is written: of 3 shards, `part-00000.parquet` to `part-00002.parquet`."""
    return directory / f"part-{number:05d}.parquet"


def shards_of(directory: Path) -> list[Path]:
    """The shards of a table, in order; none if the directory is not there."""
    return sorted(directory.glob("*.parquet"))
