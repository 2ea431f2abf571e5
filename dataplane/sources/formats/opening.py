"""Opens text files, decompresses them by content, and refuses other formats.

Imports only the standard library, unless a file is in an object store or compressed with zstd.
"""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, cast

from dataplane.errors import DataError
from dataplane.errors.storage_errors import reason
from dataplane.files import storage
from dataplane.sources.formats.file_kinds import HEAD, Foreign, foreign_to_text, packing_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BLOCK = 1 << 18
_MOST_MEMBERS_NAMED = 3
MEND_DAMAGED = "the file is cut short or damaged: replace it, or exclude it from 'path'"
"""Hint for a file that is incomplete."""
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, zipfile.BadZipFile)
UNREADABLE = (OSError, *_DAMAGED)
"""Errors from reading a file that is missing, damaged or not text."""


class ForeignFileError(OSError):
    """A file is not text. The message continues "NAME is"."""


def first_bytes(location: str, name: str) -> bytes:
    """Reads the bytes that identify the format of a file, without decompressing it.

    Args:
        location: path or URI of the file.
        name: name of the file in messages.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with storage.open_input(location, buffer=HEAD) as stream:
            return stream.read(HEAD)
    except OSError as error:
        raise unreadable(name, error) from error


def open_bytes(location: str, *, buffer: int = _BLOCK) -> IO[bytes]:
    """Opens a file, decompressed if its first bytes show a known compression.

    Args:
        location: path or URI of the file.
        buffer: number of bytes per read.

    Raises:
        OSError: the file cannot be opened or is not text. Reading may raise any of `UNREADABLE`.
    """
    stream = cast(io.BufferedReader, storage.open_input(location, buffer=buffer))
    try:
        packing = packing_of(stream.peek(HEAD)[:HEAD])
        content = _UNPACKERS[packing](stream) if packing else stream
        _refuse_foreign(content.peek(HEAD)[:HEAD], packing)
    except BaseException:
        stream.close()
        raise
    return cast(IO[bytes], content)


def unreadable(name: str, error: BaseException, *, row: int | None = None) -> DataError:
    """Converts one of `UNREADABLE` to an error for the user.

    Args:
        name: name of the file in messages.
        error: error from reading the file.
        row: first row that was not read, if known.
    """
    if isinstance(error, ForeignFileError):
        return DataError(f"{name} is {error}")
    where = f"{name} cannot be read" + (f" from row {row} on" if row else "")
    if isinstance(error, _DAMAGED) or (isinstance(error, OSError) and _tells_damage(error)):
        return DataError(f"{where}: {error}; {MEND_DAMAGED}")
    return DataError(f"{where}: {reason(error) if isinstance(error, OSError) else error}")


def _tells_damage(error: OSError) -> bool:
    """Whether an error comes from decompression, not from the file system."""
    return error.errno is None and any(sign in str(error) for sign in ("ZSTD", "compressed stream", "Invalid data"))


def _refuse_foreign(head: bytes, packing: str) -> None:
    found = foreign_to_text(head)
    if packing and found is None and (second := packing_of(head)):
        found = Foreign(f"{second} data", "unpack it")
    if found is not None:
        raise ForeignFileError(f"{found.what}{f', packed with {packing}' if packing else ''}, not text: {found.remedy}")


def _open_zip(stream: io.BufferedReader) -> io.BufferedReader:
    archive = zipfile.ZipFile(stream)
    members = [member for member in archive.infolist() if not member.filename.startswith("__MACOSX/")]
    names = [member.filename for member in members]
    document = _document(names)
    if document:
        raise ForeignFileError(f"{document}, not text: save its sheet as CSV")
    if len(members) != 1 or "/" in names[0]:
        listing = ", ".join(names[:_MOST_MEMBERS_NAMED]) + (", …" if len(names) > _MOST_MEMBERS_NAMED else "")
        what = "with directories" if any("/" in name for name in names) else f"of {len(names)} files"
        raise ForeignFileError(f"a zip archive {what} ({listing or 'nothing'}): unpack it and set 'path' to one file")
    if members[0].flag_bits & 1:
        raise ForeignFileError("an encrypted zip archive: unpack it")
    try:
        return cast(io.BufferedReader, archive.open(members[0]))
    except NotImplementedError as error:
        raise ForeignFileError(f"a zip archive with an unsupported compression ({error}): unpack it") from error


def _document(names: list[str]) -> str:
    """Kind of office document with these archive members; empty for other archives."""
    if "[Content_Types].xml" in names:
        return "an Excel workbook (.xlsx)" if any(name.startswith("xl/") for name in names) else "an Office document"
    return "an OpenDocument file" if {"mimetype", "content.xml"} <= set(names) else ""


def _open_gzip(stream: io.BufferedReader) -> io.BufferedReader:
    return cast(io.BufferedReader, gzip.GzipFile(fileobj=stream, mode="rb"))


def _open_zstd(stream: io.BufferedReader) -> io.BufferedReader:
    import pyarrow as pa

    return io.BufferedReader(pa.CompressedInputStream(stream, "zstd"), _BLOCK)


class _Members(io.RawIOBase):
    """Decompresses concatenated streams. Unlike the standard library, it reports a damaged second stream."""

    def __init__(self, stream: IO[bytes], new: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]) -> None:
        self._stream = stream
        self._new = new
        self._unpacker = new()

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, target: "WriteableBuffer") -> int:
        """Decompresses into a buffer."""
        view = memoryview(target).cast("B")
        data = b""
        while not data:
            packed = self._packed()
            if packed is None:
                return 0
            data = self._unpacker.decompress(packed, len(view))
        view[: len(data)] = data
        return len(data)

    def _packed(self) -> bytes | None:
        """Next compressed bytes; None at the end."""
        if not self._unpacker.eof:
            packed = self._stream.read(_BLOCK) if self._unpacker.needs_input else b""
            if self._unpacker.needs_input and not packed:
                raise EOFError("the end-of-stream marker is missing")
            return packed
        rest = self._unpacker.unused_data.lstrip(b"\0")  # xz pads with zeros
        while not rest:
            block = self._stream.read(_BLOCK)
            if not block:
                return None
            rest = block.lstrip(b"\0")
        self._unpacker = self._new()
        return rest


_UNPACKERS: dict[str, Callable[[io.BufferedReader], io.BufferedReader]] = {
    "gzip": _open_gzip,
    "bzip2": lambda stream: io.BufferedReader(_Members(stream, bz2.BZ2Decompressor), _BLOCK),
    "xz": lambda stream: io.BufferedReader(_Members(stream, lzma.LZMADecompressor), _BLOCK),
    "zstd": _open_zstd,
    "zip": _open_zip,
}
