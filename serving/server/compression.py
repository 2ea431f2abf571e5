"""Compressed bodies of HTTP messages: gzip in, within a limit, and gzip out where a client asks for it."""

import re
import zlib
from collections.abc import Iterable

_GZIP = 16 + zlib.MAX_WBITS
_FAST = 1  # the level: answers are short-lived, and a server's cores are for the model


class TooLargeError(ValueError):
    """A body is larger than the limit once it is decompressed."""


def gunzip(body: bytes, limit: int) -> bytes:
    """Decompresses a gzip body of one or more members.

    Args:
        body: compressed.
        limit: bytes that the result may have; no more than that is ever held.

    Raises:
        TooLargeError: the result would be larger.
        ValueError: it is not gzip, or ends too early.
    """
    found = bytearray()
    while body:
        member = zlib.decompressobj(_GZIP)
        try:
            found += member.decompress(body, limit + 1 - len(found))
        except zlib.error as error:
            raise ValueError(str(error)) from None
        if len(found) > limit:
            raise TooLargeError(f"more than {limit} bytes")
        if not member.eof:
            raise ValueError("it ends too early")
        body = member.unused_data
    return bytes(found)


def gzip(body: bytes) -> bytes:
    """Compresses a body, the same bytes each time."""
    compressor = zlib.compressobj(_FAST, wbits=_GZIP)
    return compressor.compress(body) + compressor.flush()


def accepts_gzip(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the `Accept-Encoding` among a request's headers (names in lower case) allows gzip."""
    accepted = b",".join(value for name, value in headers if name == b"accept-encoding").decode("latin-1").lower()
    for coding in accepted.split(","):
        name, _, parameters = coding.partition(";")
        if name.strip() in ("gzip", "x-gzip"):
            return not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", parameters)
    return False


def content_encoding(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The `Content-Encoding` among a request's headers (names in lower case), in lower case; "" if there is none."""
    named = [value.decode("latin-1").strip().lower() for name, value in headers if name == b"content-encoding"]
    return ",".join(name for name in named if name != "identity")
