"""The journal of a study: one JSON object per line; replaying all lines gives the study's state."""

import json
from collections.abc import Callable
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from dataplane.errors import RunError


def open_journal(file: Path, tell: Callable[[str], None]) -> JournalStorage:
    """Opens a journal. If it is damaged, keeps a copy of it, reports the damage and drops the unreadable records.

    Args:
        file: the journal, created if missing.
        tell: receives a line about damage.

    Raises:
        RunError: the file system failed to read or write the file.
    """
    try:
        lines = _lines(file)
        readable = _readable(lines)
        if len(readable) < len(lines):
            _put_aside(file, readable, f"line {len(readable) + 1} is not a whole record", tell)
        try:
            return _opened(file)
        except (ValueError, TypeError, LookupError, AttributeError, AssertionError) as error:
            _put_aside(file, [], f"{type(error).__name__}: {error}"[:200], tell)
            return _opened(file)
    except OSError as error:
        raise RunError(f"{file} cannot be used: {error.strerror}") from None


def _opened(file: Path) -> JournalStorage:
    storage = JournalStorage(JournalFileBackend(str(file)))
    for study in optuna.get_all_study_summaries(storage):  # reads all of it
        optuna.load_study(study_name=study.study_name, storage=storage).get_trials(deepcopy=False)
    return storage


def _lines(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines(keepends=True) if file.exists() else []


def _readable(lines: list[bytes]) -> list[bytes]:
    """The lines before the first that is not a record; a truncated line would corrupt the next one, too."""
    for number, line in enumerate(lines):
        try:
            is_record = line.endswith(b"\n") and isinstance(json.loads(line), dict)
        except (ValueError, RecursionError):
            is_record = False
        if not is_record:
            return lines[:number]
    return lines


def _put_aside(file: Path, kept: list[bytes], reason: str, tell: Callable[[str], None]) -> None:
    aside = file.with_name(f"{file.name}.unreadable")
    file.replace(aside)
    file.write_bytes(b"".join(kept))
    tell(f"{file} is damaged ({reason}): its first {len(kept)} records are kept; the damaged file is now {aside}")
