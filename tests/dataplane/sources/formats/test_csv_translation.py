"""Translated text keeps its values, and faulty quotes are noticed, wherever blocks end."""

import io
import random
from typing import IO, cast

import pytest

from dataplane.sources.formats.csv_stream import CsvStream, CsvTextError
from dataplane.sources.formats.csv_translation import Translation
from dataplane.sources.formats.quote_guard import QuoteGuard


def _random_text(random_, signs, length):
    return "".join(random_.choice(signs) for _ in range(length))


@pytest.mark.parametrize(
    "translation", [Translation("::", '"', "\\"), Translation("|", None, "\\"), Translation("\t|\t", "'", None)]
)
def test_translation_is_lossless(translation):
    """Values survive translation, whatever characters they have and wherever blocks end."""
    random_ = random.Random(3)
    for _ in range(500):
        text = _random_text(random_, ["\x1f", "\x1e", "0", "1", "3", "a", "\\x", ":", "é"], 12)
        assert translation.back(translation.forward(text.encode()).decode()) == text
        field = _random_text(random_, ["\x1f", "\x1e", "1", "a", "é", "\\", *filter(None, translation.quote or "")], 8)
        escaped = field.replace("\\", "\\\\") if translation.escape else field
        if translation.escape and translation.quote:
            escaped = escaped.replace(translation.quote, f"\\{translation.quote}")
        assert translation.back(translation.forward(escaped.encode()).decode()) == field


class _Drips(io.RawIOBase):
    """Returns a few bytes per read."""

    def __init__(self, content):
        self._content = io.BytesIO(content)

    def read(self, size=-1):
        return self._content.read(min(size, 7))


def test_translation_does_not_depend_on_block_boundaries():
    text = 'a::"x \\"y\\" ::"\r\nb::\\\\::é\r\n' * 5
    translation = Translation("::", '"', "\\")
    stream = CsvStream(cast(IO[bytes], _Drips(text.encode())), translation, "utf-8")
    parts = []
    while part := stream.read(5):
        parts.append(part)
    assert b"".join(parts) == translation.forward(text.encode())


def test_the_guard_agrees_with_a_character_by_character_check():
    """Checks of all quotes at once and one by one agree, however the bytes arrive."""
    random_ = random.Random(5)
    verdicts = set()
    for _ in range(3000):
        text = _random_text(random_, ['"', '"', ",", "\n", "a", "\\"], random_.randint(1, 14)).encode()
        expected = _faulty(text.decode())
        assert {_refused(text, size) for size in (1, 3, 100)} == {expected}, text
        verdicts.add(expected)
    assert verdicts == {True, False}


def _refused(text, size):
    guard = QuoteGuard(",", '"', None)
    try:
        for start in range(0, len(text), size):
            guard(text[start : start + size])
        guard(b"")
    except CsvTextError:
        return True
    return False


def _faulty(text):
    """The same rules, applied to one character after another."""
    start, position, before = None, 0, "\n"
    while position < len(text):
        sign, after = text[position], text[position + 1 : position + 2]
        if start is None and sign == '"' and before in ",\n":
            start = position
        elif start is not None and sign == '"' and after == '"':
            position += 1
        elif start is not None and sign == '"':
            field = text[start : position + 1]
            if after not in ("", ",", "\n") and ("\n" in field or '\\"' in field):
                return True
            start = None
        before = text[position]
        position += 1
    return start is not None
