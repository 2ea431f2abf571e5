"""State of an interrupted training: JSON files that detect damage to themselves and to the files they describe."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from models.spec.digests import bytes_digest, file_digest
from models.spec.durable import write_atomically


def write_sealed(file: Path, content: Any, others: Iterable[Path] = ()) -> None:
    """Writes a JSON value atomically, with digests of itself and of other files in the same directory.

    Args:
        file: target path.
        content: a JSON value.
        others: files that belong to this state; damage to one of them makes the whole state unusable.
    """
    files = {other.name: file_digest(other) for other in sorted(others)}
    write_atomically(file, json.dumps({"content": content, "files": files, "digest": _digest(content, files)}))


def read_sealed(file: Path) -> Any:
    """Reads the value that `write_sealed` wrote; call `damage` first to check it."""
    return json.loads(file.read_text(encoding="utf-8"))["content"]


def damage(file: Path) -> str:
    """Describes the first damage to a sealed file or the files it lists; "" if there is none."""
    try:
        sealed = json.loads(file.read_text(encoding="utf-8"))
        if sealed["digest"] != _digest(sealed["content"], sealed["files"]):
            return f"{file.name} has changed since it was written"
        for name, digest in sealed["files"].items():
            if not (file.parent / name).is_file():
                return f"{name} is missing"
            if file_digest(file.parent / name) != digest:
                return f"{name} has changed since it was written"
    except OSError as error:
        return f"{file.name} cannot be read: {error.strerror}"
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return f"{file.name} has changed since it was written"
    return ""


def _digest(content: Any, files: dict[str, str]) -> str:
    return bytes_digest(json.dumps([content, files], sort_keys=True).encode())
