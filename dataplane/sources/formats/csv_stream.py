"""The bytes of a delimited file as its reader wants them: UTF-8, of the plain dialect, looked at while they pass."""

import codecs
import io
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

from dataplane.errors import DataError
from dataplane.sources.formats.csv_translation import Translation

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BLOCK = 1 << 20
_LONGEST_LINE = 32 << 20


class CsvTextError(DataError):
    """The text is not as the settings say; the message goes on after the file's name.

    Attributes:
        offset: how many bytes of the text are before that; None where it is of no matter.
    """

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


class CsvStream(io.RawIOBase):
    """A stream over another one."""

    def __init__(
        self, stream: IO[bytes], translation: Translation, encoding: str, *, look: Callable[[bytes], None] | None = None
    ) -> None:
        """Wraps a stream.

        Args:
            stream: the file's bytes.
            translation: from the file's dialect.
            encoding: of the file.
            look: is shown all bytes in the order of the file, and `b""` at the end; what it raises, reading does.
        """
        self._stream = stream
        self._translation = translation if translation.needed else None
        utf8 = codecs.lookup(encoding).name == "utf-8"
        self._decode = None if utf8 else codecs.getincrementaldecoder(encoding)()
        self._look = look
        self.marked = False
        """Whether values have something to be translated back, as far as was read."""
        self._lines = b""
        """The beginning of a line whose end has not been read."""
        self._ready = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, target: "WriteableBuffer") -> int:
        """Reads into a buffer."""
        view = memoryview(target).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; none at the end."""
        data = self._next(size if size >= 0 else _BLOCK)
        if self._look is not None:
            self._look(data)
        return data

    def _next(self, size: int) -> bytes:
        if self._translation is None and self._decode is None:
            return self._stream.read(size)
        while not self._ready and not self._ended:
            self._ready = memoryview(self._translated(self._stream.read(max(size, _BLOCK))))
        part = bytes(self._ready[:size])
        self._ready = self._ready[size:]
        return part

    def _translated(self, data: bytes) -> bytes:
        self._ended = not data
        if self._decode is not None:
            data = self._decode.decode(data, self._ended).encode()
        if self._translation is None:
            return data
        text = self._lines + data
        end = len(text) if self._ended else end_of_lines(text)
        self._lines = text[end:]
        translated = self._translation.forward(text[:end])
        self.marked = self.marked or self._translation.changes_values(translated)
        return translated


def end_of_lines(text: bytes) -> int:
    """Where the last whole line ends; 0 if none does.

    Raises:
        CsvTextError: lines are so long that they can be none.
    """
    end = text.rfind(b"\n") + 1 or text.rfind(b"\r", 0, len(text) - 1) + 1
    if not end and len(text) > _LONGEST_LINE:
        raise CsvTextError(f"a line has more than {_LONGEST_LINE >> 20} MB, so it is no delimited text")
    return end
