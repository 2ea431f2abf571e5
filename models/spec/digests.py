"""XXH3 digests (128 bits, 32 hexadecimal digits) of files and bytes. They detect damage at memory speed."""

from pathlib import Path

import xxhash

_CHUNK_BYTES = 1 << 20


def file_digest(file: Path) -> str:
    """XXH3 of a file's content.

    Raises:
        OSError: the file cannot be read.
    """
    digest = xxhash.xxh3_128()
    with file.open("rb", buffering=0) as source:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def bytes_digest(content: bytes) -> str:
    """XXH3 of bytes; equals `file_digest` of a file with this content."""
    return xxhash.xxh3_128_hexdigest(content)
