"""Streams a delimited file as UTF-8 in the plain dialect, and shows its bytes to a check."""

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
    """The text contradicts the settings. The message continues a sentence that begins with the file name.

    Attributes:
        offset: byte offset of the fault in the text; None if it has no place.
    """

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


class CsvStream(io.RawIOBase):
    """Stream of the translated text of a file."""

    def __init__(
        self, stream: IO[bytes], translation: Translation, encoding: str, *, look: Callable[[bytes], None] | None = None
    ) -> None:
        """Wraps a stream.

        Args:
            stream: bytes of the file.
            translation: translation from the file's dialect.
            encoding: encoding of the file.
            look: called with all bytes in order, and with `b""` at the end. Its errors reach the reader.
        """
        self._stream = stream
        self._translation = translation if translation.needed else None
        utf8 = codecs.lookup(encoding).name == "utf-8"
        self._decode = None if utf8 else codecs.getincrementaldecoder(encoding)()
        self._look = look
        self.marked = False
        """Whether a value read so far may have to be translated back."""
        self._lines = b""
        """Start of a line whose end is unread."""
        self._ready = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, target: "WriteableBuffer") -> int:
        """Reads into a buffer."""
        view = memoryview(target).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """Reads at most `size` bytes; `b""` at the end."""
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
    """Offset of the end of the last whole line; 0 if there is none.

    Raises:
        CsvTextError: a line is too long for delimited text.
    """
    end = text.rfind(b"\n") + 1 or text.rfind(b"\r", 0, len(text) - 1) + 1
    if not end and len(text) > _LONGEST_LINE:
        raise CsvTextError(f"a line has more than {_LONGEST_LINE >> 20} MB, so the file is not delimited text")
    return end
