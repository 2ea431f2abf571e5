"""What tells whether a source has changed since it was read."""

from pathlib import Path

from components.sources.config import MappedEntities, MappedInteractions, TfdsEntities, TfdsInteractions
from components.sources.files import content_digest, source_files


def source_fingerprint(source: MappedInteractions | MappedEntities, base_dir: Path | None) -> str:
    """Digest of the content of a table's files; of name, version and file sizes of a prepared TFDS data set.

    A TFDS data set that is not prepared yet is downloaded for it.

    Args:
        source: the table's settings.
        base_dir: what relative paths are relative to.

    Raises:
        DataError: a file is missing, or the data set is not prepared and cannot be downloaded.
    """
    if isinstance(source, TfdsInteractions | TfdsEntities):
        from components.sources.tfds_directory import fingerprint
        from components.sources.tfds_sets import prepare

        return fingerprint(prepare(source, base_dir))
    return content_digest(source_files(source, base_dir))
