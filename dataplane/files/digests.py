"""Digests of files: what an artifact or a published version holds is compared with what was written.

XXH3 (128 bits) finds damage: a flipped byte, a file cut short, a file that is gone. It runs at memory speed, so that
files can be checked whenever they are used. It does not protect against somebody who forges files on purpose.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from models.spec.digests import bytes_digest, file_digest

__all__ = ["bytes_digest", "damaged_files", "digests_below", "file_damage", "file_digest", "shortened"]

_SHOWN = 3


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
    damage = {name: file_damage(directory / name, digest) for name, digest in expected.items()}
    return [f"{name} {told}" for name, told in damage.items() if told]


def file_damage(file: Path, digest: str) -> str:
    """What is wrong with a file that had a digest when it was written, such as `is missing`; "" if nothing is."""
    try:
        return "" if file_digest(file) == digest else "is not what was written"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def shortened(damage: Iterable[str]) -> str:
    """The first few texts about damaged files on one line, and how many more there are; "" if there are none."""
    texts = list(damage)
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more
