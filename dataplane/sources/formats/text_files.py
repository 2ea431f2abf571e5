"""Pieces of text files."""

from collections.abc import Sequence

from dataplane.errors import DataError
from dataplane.sources.files import SourceFile
from dataplane.sources.reading import Piece


def file_pieces(table: str, files: Sequence[SourceFile]) -> list[Piece]:
    """Makes one piece per file, because rows of quoted text cannot be found from the middle of a file.

    Raises:
        DataError: a file is empty.
    """
    for file in files:
        if file.size == 0:
            raise DataError(f"{file.name} is empty")
    return [
        Piece(
            table, index, file.location, file.name, file.split, size=file.size,
            partitions=file.partitions, version=file.version,
        )
        for index, file in enumerate(files)
    ]  # fmt: skip
