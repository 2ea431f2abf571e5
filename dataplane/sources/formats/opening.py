"""Bytes of text files: unpacked, whatever the file is called, and refused if they are no text.

Light: standard library only, unless a file is in an object store or packed with zstd.
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
_MEMBERS_TOLD = 3
MEND_DAMAGED = "it was cut short or damaged when it was written or copied: replace it, or leave it out of 'path'"
"""What to do about a file that is not whole."""
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, zipfile.BadZipFile)
UNREADABLE = (OSError, *_DAMAGED)
"""What reading a file raises that is gone, damaged, or no text."""


class ForeignFileError(OSError):
    """A file is no text; the message goes on after "NAME is"."""


def first_bytes(location: str, name: str) -> bytes:
    """What tells what a file is, packed as it may be.

    Args:
        location: which file.
        name: what to call it in messages.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with storage.open_input(location, buffer=HEAD) as stream:
            return stream.read(HEAD)
    except OSError as error:
        raise unreadable(name, error) from error


def open_bytes(location: str, *, buffer: int = _BLOCK) -> IO[bytes]:
    """The file's bytes, unpacked if its first bytes say that it is packed.

    Args:
        location: which file.
        buffer: how many bytes to fetch at once.

    Raises:
        OSError: it cannot be opened, or is no text; reading may raise all of `UNREADABLE`.
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
    """The error for one of `UNREADABLE`.

    Args:
        name: what the file is called.
        error: what reading it raised.
        row: the first data row that was not read, where known.
    """
    if isinstance(error, ForeignFileError):
        return DataError(f"{name} is {error}")
    where = f"{name} cannot be read" + (f" from row {row} on" if row else "")
    if isinstance(error, _DAMAGED) or (isinstance(error, OSError) and _tells_damage(error)):
        return DataError(f"{where}: {error}; {MEND_DAMAGED}")
    return DataError(f"{where}: {reason(error) if isinstance(error, OSError) else error}")


def _tells_damage(error: OSError) -> bool:
    """Whether it comes from an unpacker, not from the file system."""
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
        told = ", ".join(names[:_MEMBERS_TOLD]) + (", …" if len(names) > _MEMBERS_TOLD else "")
        what = "with directories" if any("/" in name for name in names) else f"of {len(names)} files"
        raise ForeignFileError(f"a zip archive {what} ({told or 'nothing'}): unpack it, and name the file you mean")
    if members[0].flag_bits & 1:
        raise ForeignFileError("an encrypted zip archive: unpack it")
    try:
        return cast(io.BufferedReader, archive.open(members[0]))
    except NotImplementedError as error:
        raise ForeignFileError(f"a zip archive packed in a rare way ({error}): unpack it") from error


def _document(names: list[str]) -> str:
    """What kind of document an archive with these members is; empty if none."""
    if "[Content_Types].xml" in names:
        return "an Excel workbook (.xlsx)" if any(name.startswith("xl/") for name in names) else "an Office document"
    return "an OpenDocument file" if {"mimetype", "content.xml"} <= set(names) else ""


def _open_gzip(stream: io.BufferedReader) -> io.BufferedReader:
    return cast(io.BufferedReader, gzip.GzipFile(fileobj=stream, mode="rb"))


def _open_zstd(stream: io.BufferedReader) -> io.BufferedReader:
    import pyarrow as pa

    return io.BufferedReader(pa.CompressedInputStream(stream, "zstd"), _BLOCK)


class _Members(io.RawIOBase):
    """Streams packed one after the other; unlike the standard library's readers, damage at the second is no end."""

    def __init__(self, stream: IO[bytes], new: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]) -> None:
        self._stream = stream
        self._new = new
        self._unpacker = new()

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, target: "WriteableBuffer") -> int:
        """Unpacks into a buffer."""
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
        """What to unpack next; None at the end."""
        if not self._unpacker.eof:
            packed = self._stream.read(_BLOCK) if self._unpacker.needs_input else b""
            if self._unpacker.needs_input and not packed:
                raise EOFError("it ends before its end-of-stream marker")
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
