"""Compressed HTTP bodies: gzip requests within a size limit, and gzip answers for clients that accept them."""

import re
import zlib
from collections.abc import Iterable

_GZIP = 16 + zlib.MAX_WBITS
_FAST = 1  # compression level: answers are short-lived, and the model needs the server's cores


class TooLargeError(ValueError):
    """The decompressed body is larger than the limit."""


def gunzip(body: bytes, limit: int) -> bytes:
    """Decompresses a gzip body of one or more members.

    Args:
        body: the compressed body.
        limit: the most bytes of the result; memory never holds more.

    Raises:
        TooLargeError: the result is larger than the limit.
        ValueError: the body is not gzip, or ends too early.
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
    """Compresses a body; equal bodies give equal bytes."""
    compressor = zlib.compressobj(_FAST, wbits=_GZIP)
    return compressor.compress(body) + compressor.flush()


def accepts_gzip(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request's `Accept-Encoding` allows gzip; names of headers are in lower case."""
    accepted = b",".join(value for name, value in headers if name == b"accept-encoding").decode("latin-1").lower()
    for coding in accepted.split(","):
        name, _, parameters = coding.partition(";")
        if name.strip() in ("gzip", "x-gzip"):
            return not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", parameters)
    return False


def content_encoding(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """A request's `Content-Encoding` in lower case, "" if absent; names of headers are in lower case."""
    named = [value.decode("latin-1").strip().lower() for name, value in headers if name == b"content-encoding"]
    return ",".join(name for name in named if name != "identity")
