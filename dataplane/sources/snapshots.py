"""Lists the files of all tables, digests their content, and detects files that were added, removed or changed."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from dataplane.errors import DataError
from dataplane.sources.config import (
    EntitiesSource,
    FileEntities,
    FileInteractions,
    InteractionsSource,
    TfdsEntities,
    TfdsInteractions,
)
from dataplane.sources.files import CHANGED, Snapshot, SourceFile, content_digest, source_files, with_versions

Sources: TypeAlias = Mapping[str, InteractionsSource | EntitiesSource]
"""Settings of each table by its name."""
_Tfds: TypeAlias = TfdsInteractions | TfdsEntities


def take_snapshot(sources: Sources, base_dir: Path | None) -> Snapshot:
    """Lists the current files of each table that is read from files. A TFDS dataset is downloaded if necessary.

    Args:
        sources: settings of the tables.
        base_dir: directory from which relative paths start.

    Raises:
        DataError: a file is missing, or a dataset is not prepared and cannot be downloaded.
        RunError: an object store cannot be reached.
    """
    return {table: with_versions(files) for table, files in _listed(sources, base_dir).items()}


def file_digests(sources: Sources, snapshot: Snapshot) -> dict[str, str]:
    """Digest of the content of each file, by table and name: `interactions/ratings.csv`.

    For files in object stores the store's content tag is used, and for prepared TFDS datasets the name, version and
    file sizes.

    Args:
        sources: settings of the tables.
        snapshot: files of the tables.

    Raises:
        DataError: a file cannot be read.
    """
    found: dict[str, str] = {}
    for table, files in snapshot.items():
        digest = _tfds_digest if isinstance(sources[table], _Tfds) else content_digest
        found |= {f"{table}/{file.name}": digest(file) for file in files}
    return found


def require_same_files(sources: Sources, snapshot: Snapshot, base_dir: Path | None) -> None:
    """Checks that the tables still have the listed files. `files.unchanged` checks the content of each file.

    Args:
        sources: settings of the tables.
        snapshot: files as they were listed.
        base_dir: directory from which relative paths start.

    Raises:
        DataError: a file was added or removed, or has another size.
        RunError: an object store cannot be reached.
    """
    for table, files in _listed(sources, base_dir).items():
        now = {file.location: file for file in files}
        before = {file.location: replace(file, version="") for file in snapshot[table]}
        for location in before | now:
            if before.get(location) != now.get(location):
                what = "was added" if location not in before else "was removed" if location not in now else "changed"
                name = (now.get(location) or before[location]).name
                raise DataError(f"{name} {what} after the files of {table} were listed; {CHANGED}")


def _listed(sources: Sources, base_dir: Path | None) -> dict[str, list[SourceFile]]:
    """Files of each table that is read from files, without versions."""
    found: dict[str, list[SourceFile]] = {}
    for table, source in sources.items():
        if isinstance(source, FileInteractions | FileEntities):
            found[table] = source_files(source, base_dir)
        elif isinstance(source, _Tfds):
            from dataplane.sources.formats.tfds_sets import prepare

            files = sorted(path for path in prepare(source, base_dir).iterdir() if path.is_file())
            found[table] = [SourceFile(str(path), path.name, path.stat().st_size) for path in files]
    return found


def _tfds_digest(file: SourceFile) -> str:
    """Dataset, version and size of a file. They suffice, because TFDS never changes files in place."""
    return f"{'/'.join(Path(file.location).parent.parts[-3:])}:{file.size}"
