"""What the sources of the tables are at one moment, and whether that has changed since they were read."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from dataplane.sources.config import (
    EntitiesSource,
    FileEntities,
    FileInteractions,
    InteractionsSource,
    TfdsEntities,
    TfdsInteractions,
)
from dataplane.sources.files import Snapshot, content_digest, source_files, with_versions

Sources: TypeAlias = Mapping[str, InteractionsSource | EntitiesSource]
"""Settings of each table by its name."""


def take_snapshot(sources: Sources, base_dir: Path | None) -> Snapshot:
    """Files of the tables that have some, as they are now.

    Args:
        sources: settings of the tables.
        base_dir: what relative paths are relative to.

    Raises:
        DataError: a file is missing.
        RunError: an object store cannot be reached.
    """
    return {
        table: with_versions(source_files(source, base_dir))
        for table, source in sources.items()
        if isinstance(source, FileInteractions | FileEntities)
    }


def fingerprint(sources: Sources, snapshot: Snapshot, base_dir: Path | None) -> str:
    """Digest of the content of all files; of name, version and file sizes of prepared TFDS data sets.

    Of files in object stores, the store's tag of the content stands for it. A TFDS data set that is not prepared yet is
    downloaded for it.

    Args:
        sources: settings of the tables.
        snapshot: their files.
        base_dir: what relative paths are relative to.

    Raises:
        DataError: a file cannot be read, or a data set is not prepared and cannot be downloaded.
    """
    found: list[str] = []
    for table, source in sources.items():
        if table in snapshot:
            found.append(content_digest(snapshot[table]))
        elif isinstance(source, TfdsInteractions | TfdsEntities):
            from dataplane.sources.formats.tfds_directory import fingerprint as tfds_fingerprint
            from dataplane.sources.formats.tfds_sets import prepare

            found.append(tfds_fingerprint(prepare(source, base_dir)))
    return "\n".join(found)
