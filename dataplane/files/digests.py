"""Digests of files, which detect damage to artifacts and published versions.

XXH3 (128 bits) detects flipped bytes, truncated files and missing files. It runs at memory speed, so files can be
checked at every use. It does not protect against deliberate forgery.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from models.spec.digests import bytes_digest, file_digest

__all__ = ["bytes_digest", "damaged_files", "digests_below", "file_damage", "file_digest", "shortened"]

_SHOWN = 3


def digests_below(directory: Path) -> dict[str, str]:
    """Digest of every file below a directory, by its path relative to the directory, sorted."""
    files = (file for file in sorted(directory.rglob("*")) if file.is_file())
    return {file.relative_to(directory).as_posix(): file_digest(file) for file in files}


def damaged_files(directory: Path, expected: Mapping[str, str]) -> list[str]:
    """Describes the files that are missing or whose content differs from their expected digest.

    Args:
        directory: directory of the files.
        expected: digests by relative path, from `digests_below`.

    Returns:
        One short text per damaged file, such as `variables/variables.index is missing`.
    """
    damage = {name: file_damage(directory / name, digest) for name, digest in expected.items()}
    return [f"{name} {text}" for name, text in damage.items() if text]


def file_damage(file: Path, digest: str) -> str:
    """Describes how a file differs from its expected digest, such as `is missing`; "" if it does not differ."""
    try:
        return "" if file_digest(file) == digest else "has changed since it was written"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def shortened(damage: Iterable[str]) -> str:
    """Joins the first three texts about damaged files on one line and counts the rest; "" if there are none."""
    texts = list(damage)
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more
