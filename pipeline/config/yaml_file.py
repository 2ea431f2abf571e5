"""Reads a configuration file: safe YAML with line numbers, `extends`, and `key=value` settings."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataplane.errors import ConfigError
from dataplane.errors.credentials import redacted
from dataplane.errors.messages import shown
from dataplane.files.storage import is_remote
from pipeline.config.written import Written
from pipeline.config.yaml_values import MAX_BYTES, MAX_DEPTH, Budget, parse_yaml

MAX_FILES = 64
_EXTENDS = "extends"


@dataclass(frozen=True)
class Document:
    """The merged values of files and settings.

    Attributes:
        written: the values with their origins: `file:line` or `--set`.
    """

    written: Written

    @property
    def values(self) -> dict[str, Any]:
        """The merged mapping; a new copy on each access."""
        values: dict[str, Any] = self.written.plain()
        return values

    def origin(self, key: str) -> str:
        """Origin of `key`, or of the closest written value that contains it."""
        return self.written.origin_of(key)


def read_document(file: Path, settings: Sequence[str] = ()) -> Document:
    """Reads a YAML file, the files it extends, and settings such as `training.batch_size=256`.

    A file with `extends: OTHER.yaml` (relative to itself), or a list of files, starts from the values of these files;
    later ones override earlier ones. Mappings are merged key by key, everything else is replaced.

    Raises:
        ConfigError: a file is missing, is not a YAML mapping or exceeds the limits of size, depth and number, or a
            setting has no key.
    """
    files = _Files()
    written = files.read(file)
    for setting in settings:
        written = _setting(setting, files.budget).merged_onto(written)
    return Document(written)


@dataclass
class _Files:
    """The files of one configuration, with limits on their total size and number.

    Attributes:
        budget: number of values left.
        bytes_left: number of bytes left.
        files_left: number of files left; a file counts each time it is extended.
    """

    budget: Budget = field(default_factory=Budget)
    bytes_left: int = MAX_BYTES
    files_left: int = MAX_FILES

    def read(self, file: Path, extended_by: str = "", above: tuple[tuple[int, int], ...] = ()) -> Written:
        """Reads a file merged onto the files that it extends.

        Args:
            file: the file.
            extended_by: `file:line` that extends it.
            above: identities of the files that led to this one.
        """
        name = shown(redacted(str(file)), 400)
        place = f"{extended_by}: extends: {name}" if extended_by else name
        self.files_left -= 1
        if self.files_left < 0:
            raise ConfigError(f"{place}: more than {MAX_FILES} files are extended; a file counts each time it is named")
        identity, text = self._text(file, place)
        if identity in above:
            raise ConfigError(f"{place}: the file extends itself, directly or through other files")
        written = parse_yaml(text, name, self.budget)
        if written is None or written.kind != "mapping":
            found = "nothing" if written is None else {"list": "a list"}.get(written.kind, "a single value")
            raise ConfigError(f"{name}: expected a mapping of sections at the top, found {found}")
        own = {key: part for key, part in written.parts.items() if key != _EXTENDS}
        document = Written.of(written.origin, "mapping", {})
        for base in _bases(written):
            path = file.parent / base.scalar
            document = self.read(path, base.origin, (*above, identity)).merged_onto(document)
        return Written.of(written.origin, "mapping", own).merged_onto(document)

    def _text(self, file: Path, place: str) -> tuple[tuple[int, int], str]:
        """Identity and content of a regular file; other kinds of files may block or never end."""
        try:
            with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY), "rb") as stream:
                status = os.fstat(stream.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise ConfigError(f"{place}: cannot be read: it is a device, pipe or socket, not a file")
                content = stream.read(self.bytes_left + 1)
        except (OSError, ValueError) as error:
            raise ConfigError(_unreadable(place, error)) from None
        self.bytes_left -= len(content)
        if self.bytes_left < 0:
            raise ConfigError(f"{place}: the files of the configuration have more than {MAX_BYTES >> 20} MiB in total")
        try:
            return (status.st_dev, status.st_ino), content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise ConfigError(
                f"{place}: cannot be read: line {line} is not UTF-8 text (byte 0x{content[error.start]:02x}); save the "
                "file as UTF-8"
            ) from None


def _unreadable(place: str, error: OSError | ValueError) -> str:
    """Says why a file cannot be read; `place` ends with its name."""
    before, separator, name = place.rpartition(": extends: ")
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return f"{before}{separator}there is no file {name}"
        case IsADirectoryError():
            return f"{place} is a directory; name a YAML file"
        case PermissionError():
            return f"{place} cannot be read: this user lacks the permission"
    return f"{place}: cannot be read: {getattr(error, 'strerror', None) or error}"


def _bases(written: Written) -> list[Written]:
    extends = written.parts.get(_EXTENDS)
    if extends is None:
        return []
    bases = list(extends.parts.values()) if extends.kind == "list" else [extends]
    for base in bases:
        if not isinstance(base.scalar, str) or not base.scalar:
            raise ConfigError(f"{base.origin}: extends: expected a file name, or a list of file names")
        if is_remote(base.scalar):
            raise ConfigError(
                f"{base.origin}: extends: only local files can be extended, not {shown(redacted(base.scalar))}"
            )
    return bases


def _setting(setting: str, budget: Budget) -> Written:
    key, separator, text = setting.partition("=")
    key = key.strip()
    if not separator or not key:
        raise ConfigError(f"--set {shown(redacted(setting))}: expected key=value, such as training.batch_size=256")
    name = f"--set {shown(redacted(key))}"
    parts = key.split(".")
    if len(parts) >= MAX_DEPTH:
        raise ConfigError(f"{name}: nested more than {MAX_DEPTH} levels deep")
    try:
        key.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{name}: the key is not UTF-8 text") from None
    value = parse_yaml(text, name, budget, origin="--set") or Written("--set")
    for part in reversed(parts):
        value = Written.of("--set", "mapping", {part: value})
    return value
