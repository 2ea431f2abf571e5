"""What an interrupted training leaves: JSON files that tell whether they, and the files they speak of, are damaged."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from models.spec.digests import bytes_digest, file_digest


def write_sealed(file: Path, content: Any, others: Iterable[Path] = ()) -> None:
    """Writes a JSON value, whole or not at all, with its digest and those of other files in the same directory.

    Args:
        file: where to.
        content: a JSON value.
        others: files that are of no use without it, nor it without them.
    """
    files = {other.name: file_digest(other) for other in sorted(others)}
    written = file.with_name(f"{file.name}.new")
    written.write_text(json.dumps({"content": content, "files": files, "digest": _digest(content, files)}))
    written.replace(file)


def read_sealed(file: Path) -> Any:
    """The value that `write_sealed` wrote; `damage` says whether it can be relied on."""
    return json.loads(file.read_text(encoding="utf-8"))["content"]


def damage(file: Path) -> str:
    """Which of a sealed file and those it speaks of is not what was written; "" if all are."""
    try:
        sealed = json.loads(file.read_text(encoding="utf-8"))
        if sealed["digest"] != _digest(sealed["content"], sealed["files"]):
            return f"{file.name} is not what was written"
        for name, digest in sealed["files"].items():
            if not (file.parent / name).is_file():
                return f"{name} is missing"
            if file_digest(file.parent / name) != digest:
                return f"{name} is not what was written"
    except OSError as error:
        return f"{file.name} cannot be read: {error.strerror}"
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return f"{file.name} is not what was written"
    return ""


def _digest(content: Any, files: dict[str, str]) -> str:
    return bytes_digest(json.dumps([content, files], sort_keys=True).encode())
