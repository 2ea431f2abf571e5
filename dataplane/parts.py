"""Parts of a step's results that later executions use again, such as the clean rows of a span.

A part is a directory named by its key. `part.json`, written last, has the digests of its files, so an unfinished or
damaged part counts as missing.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataplane.files.digests import damaged_files, digests_below
from models.spec.durable import sync, sync_tree, write_atomically

_MANIFEST = "part.json"
_DIGITS = 32


@dataclass(frozen=True)
class Part:
    """A finished part.

    Attributes:
        key: its key.
        path: its directory.
        about: facts that were stored with it.
    """

    key: str
    path: Path
    about: dict[str, Any]


@dataclass(frozen=True)
class Parts:
    """The parts of a step.

    Attributes:
        directory: holds a directory for each part.
        salt: text that changes with the code and the libraries that make the parts.
        warn: called with a line about each damaged part.
        reuses: whether parts of earlier executions are found.
        used: keys of the parts that were found or added.
    """

    directory: Path
    salt: str = ""
    warn: Callable[[str], None] = lambda line: None
    reuses: bool = True
    used: set[str] = field(default_factory=set)

    def key(self, **ingredients: Any) -> str:
        """The key of a part that is made of JSON values."""
        text = json.dumps([self.salt, ingredients], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]

    def find(self, key: str) -> Part | None:
        """A part; None if it is missing or damaged. A damaged part is removed."""
        path = self.directory / key
        manifest = _manifest(path) if self.reuses or key in self.used else None
        if manifest is None:
            return None
        if damage := damaged_files(path, manifest["digests"]):
            self.warn(f"{path} is damaged: {damage[0]}; it is made again")
            shutil.rmtree(path)
            return None
        self.used.add(key)
        return Part(key, path, manifest["about"])

    @contextmanager
    def adding(self, key: str, about: dict[str, Any]) -> Iterator[Path]:
        """Yields an empty directory; what the block writes there becomes the part if the block succeeds."""
        temporary = self.directory / f".{key}.{secrets.token_hex(8)}"
        temporary.mkdir(parents=True)
        try:
            yield temporary
            sync_tree(temporary)
            write_atomically(
                temporary / _MANIFEST, json.dumps({"digests": digests_below(temporary), "about": about}, indent=2)
            )
            shutil.rmtree(self.directory / key, ignore_errors=True)
            temporary.rename(self.directory / key)
            sync(self.directory)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        self.used.add(key)

    def every(self) -> Iterator[Part]:
        """All finished parts, undamaged or not."""
        for path in sorted(self.directory.glob("[!.]*")):
            if manifest := _manifest(path):
                yield Part(path.name, path, manifest["about"])


def link(source: Path, target: Path) -> None:
    """Makes `target` the same file as `source`, or a copy where the file system has no hard links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _manifest(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    is_whole = (
        isinstance(found, dict) and isinstance(found.get("digests"), dict) and isinstance(found.get("about"), dict)
    )
    return found if is_whole else None
