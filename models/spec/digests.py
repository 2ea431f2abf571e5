"""XXH3 digests (128 bits, 32 hexadecimal digits) of files and bytes: at memory speed, they find what was damaged."""

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
    """XXH3 of what a file is to hold, as `file_digest` of that file."""
    return xxhash.xxh3_128_hexdigest(content)
