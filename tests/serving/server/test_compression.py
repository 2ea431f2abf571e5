import gzip as standard

import pytest

from serving.server.compression import TooLargeError, accepts_gzip, content_encoding, gunzip, gzip


def test_what_is_compressed_comes_back() -> None:
    body = b'{"instances": [{}]}' * 1000
    assert gunzip(gzip(body), len(body)) == body
    assert standard.decompress(gzip(body)) == body
    assert gunzip(standard.compress(body[:10]) + standard.compress(body[10:]), len(body)) == body


def test_no_more_than_the_limit_is_decompressed() -> None:
    bomb = standard.compress(b"0" * 10_000_000)
    with pytest.raises(TooLargeError):
        gunzip(bomb, 100_000)
    with pytest.raises(TooLargeError):
        gunzip(standard.compress(b"0" * 60) + standard.compress(b"0" * 60), 100)


@pytest.mark.parametrize(
    "body", [b"{}", standard.compress(b"content", mtime=0)[:-5], standard.compress(b"content", mtime=0) + b"more"]
)
def test_what_is_not_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"header|ends too early"):
        gunzip(body, 1000)


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        (b"gzip", True),
        (b"deflate, GZIP;q=0.5", True),
        (b"gzip;q=0", False),
        (b"gzip; q=0.000, br", False),
        (b"br, deflate", False),
        (b"", False),
    ],
)
def test_gzip_is_sent_to_those_who_ask_for_it(value: bytes, accepted: bool) -> None:
    assert accepts_gzip([(b"host", b"x"), (b"accept-encoding", value)]) is accepted


def test_the_encoding_of_a_body() -> None:
    assert content_encoding([(b"content-encoding", b" GZip ")]) == "gzip"
    assert content_encoding([(b"content-encoding", b"identity")]) == ""
    assert content_encoding([(b"content-encoding", b"gzip, gzip")]) == "gzip, gzip"
