"""Digests of files: what an artifact or a published version holds is compared with what was written.

XXH3 (128 bits) finds damage: a flipped byte, a file cut short, a file that is gone. It runs at memory speed, so that
files can be checked whenever they are used. It does not protect against somebody who forges files on purpose.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from models.spec.digests import bytes_digest, file_digest

__all__ = ["bytes_digest", "damaged_files", "digests_below", "file_digest"]


def digests_below(directory: Path, parts: Iterable[str] = ("",)) -> dict[str, str]:
    """Digest of every file below a directory, by its path relative to the directory, sorted.

    Args:
        directory: where to look.
        parts: directories in it to look into; the whole directory by default.
    """
    files = {file for part in parts for file in (directory / part).rglob("*") if file.is_file()}
    return {file.relative_to(directory).as_posix(): file_digest(file) for file in sorted(files)}


def damaged_files(directory: Path, expected: Mapping[str, str]) -> list[str]:
    """Describes the files that are missing or whose content differs from their expected digest.

    Args:
        directory: where the files are.
        expected: digests by relative path, from `digests_below`.

    Returns:
        One short text a file, such as `variables/variables.index is missing`; empty if all is as it was written.
    """
    found = []
    for name, digest in expected.items():
        try:
            actual = file_digest(directory / name)
        except FileNotFoundError:
            found.append(f"{name} is missing")
        except OSError as error:
            found.append(f"{name} cannot be read: {error.strerror}")
        else:
            if actual != digest:
                found.append(f"{name} is not what was written")
    return found
