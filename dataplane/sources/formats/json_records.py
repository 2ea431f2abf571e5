"""Splits a JSON file of any form (see `json_forms`) into records, with one block of the file in memory.

Imports only the standard library.
"""

import codecs
import io
import json
import re
from collections.abc import Collection, Iterator
from typing import IO

from dataplane.errors import DataError
from dataplane.errors.messages import shown
from dataplane.sources.formats.json_forms import BLANK, MEND, Form, form_of
from dataplane.sources.formats.json_values import unwrapped
from dataplane.sources.formats.opening import MEND_DAMAGED

_BLANKS = re.compile(f"[{BLANK}]*")
_HEAD = 1 << 20
_SHOWN = 60
_LARGEST_RECORD = 64 << 20


def record_blocks(stream: IO[bytes], name: str, ids: Collection[str], *, block: int = 8 << 20) -> Iterator[list[bytes]]:
    """Yields lists of lines, each list about one block long, each line a JSON value unless the file is broken.

    Values that MongoDB wraps in objects are the values alone, see `json_values.unwrapped`.

    Args:
        stream: bytes of the file, in UTF-8, UTF-16 or UTF-32.
        name: name of the file in messages.
        ids: columns that every record has.
        block: number of bytes to read at once.

    Raises:
        DataError: the file is cut short or broken, or holds no objects. A broken line alone raises nothing here.
        UnicodeError: the file is not text in the encoding of its beginning.
    """
    head, utf8 = _as_utf8(stream)
    form = form_of(head.decode(errors="surrogateescape"), ids, name, is_all=len(head) < _HEAD)
    if form is Form.LINES:
        yield from _lines(head, utf8, block)
        return
    rest = io.BufferedReader(_Rewound(head, utf8), min(block, _HEAD))
    gathered: list[bytes] = []
    size = 0
    for record in _records(_Scanner(rest, name, block), form):
        gathered.append(unwrapped(record))
        size += len(record)
        if size >= block:
            yield gathered
            gathered, size = [], 0
    if gathered:
        yield gathered


def _lines(head: bytes, rest: IO[bytes], block: int) -> Iterator[list[bytes]]:
    """Yields lists of non-empty lines, each list about one block long."""
    lines = io.BytesIO(head + rest.readline()).readlines()
    left = block - sum(map(len, lines))
    lines += rest.readlines(left) if left > 0 else []
    while lines:
        yield [unwrapped(line) for line in lines if not line.isspace()]
        lines = rest.readlines(block)


def looks_like_json(beginning: bytes) -> bool:
    """Whether a file with this beginning is JSON, in UTF-8, UTF-16 or UTF-32."""
    text = beginning[: len(beginning) // 4 * 4].decode(json.detect_encoding(beginning), errors="ignore")
    return text.lstrip("\ufeff" + BLANK)[:1] in ("{", "[")


def _records(scanner: "_Scanner", form: Form) -> Iterator[bytes]:
    if form is Form.MEMBER:
        yield from _members(scanner)
        if scanner.next():
            raise scanner.error("has text after the object that holds the records")
        return
    while mark := scanner.next():
        if mark == "[" and form is Form.LIST:
            yield from _elements(scanner)
        else:
            yield scanner.value()
        scanner.skip(",", needed=False)


def _elements(scanner: "_Scanner") -> Iterator[bytes]:
    """Yields the elements of a list, each as a line."""
    scanner.skip("[")
    while scanner.next() != "]":
        yield scanner.value()
        if scanner.next() != "]":
            scanner.skip(",")
    scanner.skip("]")


def _members(scanner: "_Scanner") -> Iterator[bytes]:
    """Yields the elements of the only list of objects among the members of an object."""
    scanner.skip("{")
    found = ""
    while scanner.next() != "}":
        key = json.loads(scanner.value())
        scanner.skip(":")
        if scanner.next() == "[":
            elements = _elements(scanner)
            first = next(elements, b"")
            if first.startswith(b"{"):
                if found:
                    raise scanner.error(f"has two lists of objects, {found!r} and {key!r}: write each to its own file")
                found = str(key)
                yield first
                yield from elements
            for _ in elements:  # skip a list of other values
                pass
        else:
            scanner.value()
        if scanner.next() != "}":
            scanner.skip(",")
    scanner.skip("}")
    if not found:
        raise scanner.error("is one object without a list of objects in it")


class _Scanner:
    """Splits a text into JSON values and reads one block at a time."""

    def __init__(self, stream: IO[bytes], name: str, block: int) -> None:
        self._stream = stream
        self._name = name
        self._block = block
        # Bytes that are not UTF-8 are kept, so that only their own record becomes a dead letter.
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._json = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._values = 0
        self._ended = False

    def next(self) -> str:
        """Next character that is not a blank; empty at the end."""
        while True:
            self._at = _BLANKS.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._more()

    def skip(self, mark: str, *, needed: bool = True) -> None:
        """Skips a character.

        Raises:
            DataError: the next character is another one, and `needed` is set.
        """
        following = self.next()
        if following == mark:
            self._at += 1
        elif needed:
            if not following:
                raise self.error("ends too early", mend=MEND_DAMAGED)
            raise self.error(f"has {shown(self._text[self._at : self._at + _SHOWN])!r} where {mark!r} should be")

    def value(self) -> bytes:
        """Returns the next value as a line.

        Raises:
            DataError: the value is broken or cut short.
        """
        self.next()
        while True:
            try:
                _, end = self._json.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._ended and len(self._text) - self._at < _LARGEST_RECORD:
                    self._more()
                    continue
                cut = (self._ended and error.pos >= len(self._text) - 1) or error.msg.startswith("Unterminated")
                raise self._broken(str(error.msg), cut=cut) from error
            except (ValueError, RecursionError) as error:
                raise self._broken("too many digits or levels", cut=False) from error
            if end == len(self._text) and not self._ended:  # a number may continue in the next block
                self._more()
                continue
            text, self._at = self._text[self._at : end], end
            self._values += 1
            return text.replace("\n", " ").replace("\r", " ").encode(errors="surrogateescape") + b"\n"

    def error(self, what: str, *, mend: str = MEND) -> DataError:
        """Makes an error that names the file and the number of values before the fault."""
        return DataError(f"{self._name} cannot be read as JSON: it {what}, after {self._values} values; {mend}")

    def _broken(self, why: str, *, cut: bool) -> DataError:
        if cut:
            return self.error("ends in the middle of a value", mend=MEND_DAMAGED)
        return self.error(f"has {shown(self._text[self._at : self._at + _SHOWN])!r}, which is not a JSON value ({why})")

    def _more(self) -> None:
        block = self._stream.read(self._block)
        self._ended = not block
        self._text = self._text[self._at :] + self._decoder.decode(block, final=self._ended)
        self._at = 0


def _read(stream: IO[bytes], size: int) -> bytes:
    """Reads `size` bytes, or fewer if the file ends."""
    parts: list[bytes] = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _as_utf8(stream: IO[bytes]) -> tuple[bytes, IO[bytes]]:
    """Beginning and rest of a stream in UTF-8, without a byte order mark."""
    beginning = _read(stream, _HEAD)
    encoding = json.detect_encoding(beginning[:4])
    if encoding.startswith("utf-8"):
        found = beginning.removeprefix(codecs.BOM_UTF8)
        return found + _read(stream, len(beginning) - len(found)), stream
    recoded = io.BufferedReader(_Recoded(io.BufferedReader(_Rewound(beginning, stream)), encoding), _HEAD)
    return _read(recoded, _HEAD), recoded


class _Rewound(io.RawIOBase):
    """A stream with bytes put back at its front."""

    def __init__(self, first: bytes, rest: IO[bytes]) -> None:
        self._first = memoryview(first)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        if not self._first:
            block = self._rest.read(len(target))
            target[: len(block)] = block
            return len(block)
        size = min(len(target), len(self._first))
        target[:size], self._first = self._first[:size], self._first[size:]
        return size


class _Recoded(io.RawIOBase):
    """Re-encodes a stream of text as UTF-8."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        while not self._left:
            block = self._stream.read(_HEAD)
            self._left = self._decoder.decode(block, final=not block).encode()
            if not block:
                break
        size = min(len(target), len(self._left))
        target[:size], self._left = self._left[:size], self._left[size:]
        return size
