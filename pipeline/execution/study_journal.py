"""The journal of a study: one JSON object a line, the study's state being what all lines together say."""

import json
from collections.abc import Callable
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from dataplane.errors import RunError


def open_journal(file: Path, tell: Callable[[str], None]) -> JournalStorage:
    """Opens a journal; what cannot be read of it is told, put aside, and treated as not there.

    Args:
        file: the journal, made if it is not there.
        tell: takes a line.

    Raises:
        RunError: the file system does not let it be read or written.
    """
    try:
        lines = _lines(file)
        readable = _readable(lines)
        if len(readable) < len(lines):
            _put_aside(file, readable, f"line {len(readable) + 1} is not what was written", tell)
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
    """The lines before the first that is no record; a line cut short would spoil the next one as well."""
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
    tell(f"{file} cannot be read to its end ({reason}): {len(kept)} records are kept, the whole is now {aside}")
