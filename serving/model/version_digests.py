"""Digests of the files of a serving model; they reveal a damaged version.

Every exported SavedModel has `assets.extra/digests.json`, written last: the XXH3 digest of each other file. The model's
description and a rollback's record say that the file exists, so its loss is found too. Models of older releases have no
digests; only the files without which no model can be loaded are looked for.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataplane.errors import RefusedError
from dataplane.files.digests import bytes_digest, damaged_files, digests_below, shortened
from serving.model.descriptions import DESCRIPTION

DIGESTS = Path("assets.extra") / "digests.json"
"""Where a SavedModel has the digests of its other files."""
ROLLBACK = Path("assets.extra") / "rollback.json"
"""Where a published version has the record of the rollback that made it."""
PROMISE = {"digests": DIGESTS.as_posix()}
"""The key in a description or a rollback's record that says that the model has digests."""
_NEEDED = (Path("saved_model.pb"), DESCRIPTION)


def write_digests(model: Path) -> None:
    """Writes the digests of all files of a SavedModel into it; whatever is written later counts as damage."""
    (model / DIGESTS).parent.mkdir(exist_ok=True)
    (model / DIGESTS).write_bytes(digests_content(_digests_of(model)))


def digests_content(digests: Mapping[str, str]) -> bytes:
    """Content of `digests.json`. Equal digests give equal bytes, so a change of any byte is found."""
    files = dict(sorted(digests.items()))
    seal = bytes_digest(json.dumps(files, sort_keys=True).encode())
    return (json.dumps({"digest": seal, "files": files}, indent=2) + "\n").encode()


def parse_digests(content: bytes) -> Mapping[str, str] | None:
    """Digests by file; None if `digests.json` has changed since it was written."""
    try:
        files = json.loads(content)["files"]
        return files if digests_content(files) == content else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def digests_with(model: Path, extra: Mapping[Path, bytes | None]) -> bytes:
    """Content of `digests.json` for a copy of a model in which some files are replaced or, by None, left out."""
    file = model / DIGESTS
    digests = dict((parse_digests(file.read_bytes()) if file.exists() else None) or _digests_of(model))
    for name, content in extra.items():
        digests.pop(name.as_posix(), None)
        if content is not None:
            digests[name.as_posix()] = bytes_digest(content)
    return digests_content(digests)


def has_digests(model: Path) -> bool:
    """Whether a model's files can be checked; older releases published models without digests."""
    return (model / DIGESTS).exists() or _is_promised(model)


def check_version(directory: Path) -> list[str]:
    """Checks every file of a version against its digest.

    Returns:
        One short text for each file that is missing, changed or added; empty if the version is undamaged. In a version
        without digests only missing files are found.
    """
    special = [_name(path, directory) for path in directory.rglob("*") if not (path.is_file() or path.is_dir())]
    if special:  # opening a named pipe would wait for ever
        return [f"{name} is neither a file nor a directory" for name in special]
    if not has_digests(directory):
        return _unusable(directory)
    expected = _expected(directory)
    there = sorted(_name(path, directory) for path in directory.rglob("*") if path.is_file())
    added = [] if expected is None else [name for name in there if name not in {*expected, DIGESTS.as_posix()}]
    return [*changed_files(directory), *(f"{name} was added" for name in added)]


def changed_files(directory: Path) -> list[str]:
    """As `check_version`, for a version with digests, without files that were added."""
    expected = _expected(directory)
    if expected is None:
        state = "has changed since it was written" if (directory / DIGESTS).exists() else "is missing"
        return [f"{DIGESTS.as_posix()} {state}"]
    return damaged_files(directory, expected)


def require_whole(model: Path, hint: str) -> None:
    """Refuses a damaged model.

    Args:
        model: directory of the model.
        hint: what the user can do about the damage.

    Raises:
        RefusedError: some of its files are damaged.
    """
    damage = check_version(model)
    if damage:
        raise RefusedError(f"{model} is damaged: {shortened(damage)}; {hint}")


def _digests_of(model: Path) -> dict[str, str]:
    return {name: digest for name, digest in digests_below(model).items() if name != DIGESTS.as_posix()}


def _expected(directory: Path) -> Mapping[str, str] | None:
    try:
        return parse_digests((directory / DIGESTS).read_bytes())
    except OSError:
        return None


def _unusable(directory: Path) -> list[str]:
    """The files that a version without digests needs and lacks."""
    missing = [f"{file.as_posix()} is missing" for file in _NEEDED if not (directory / file).is_file()]
    return missing or ([] if _json(directory / DESCRIPTION) else [f"{DESCRIPTION.as_posix()} is not JSON"])


def _is_promised(model: Path) -> bool:
    return any("digests" in _json(model / file) for file in (DESCRIPTION, ROLLBACK))


def _json(file: Path) -> Mapping[str, Any]:
    """The JSON object in a file; empty if the file is absent or cannot be read."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _name(path: Path, directory: Path) -> str:
    return path.relative_to(directory).as_posix()
