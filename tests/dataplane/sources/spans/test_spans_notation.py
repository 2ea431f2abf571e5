"""Spans are written as numbers, dates or hours."""

import pytest

from dataplane.sources.spans.notation import common_notation, notation_of


@pytest.mark.parametrize(
    ("text", "kind", "following"),
    [
        ("2026-11-30", "date", "2026-12-01"),
        ("20261231", "date", "20270101"),
        ("2026-11-30T23", "hour", "2026-12-01T00"),
        ("2026-11-30-09", "hour", "2026-11-30-10"),
        ("9", "number", "10"),
        ("0099", "number", "0100"),
        ("20261399", "number", "20261400"),
    ],
)
def test_the_next_span_is_one_unit_later_in_the_same_notation(text: str, kind: str, following: str) -> None:
    notation = notation_of(text)
    assert notation is not None
    assert notation.kind == kind
    position = notation.position(text)
    assert position is not None
    assert notation.text(position) == text
    assert notation.text(position + 1) == following


@pytest.mark.parametrize("text", ["", "2026-1-2", "2026-13-01", "2026-11-21T24", "-1", "1.5", "latest", "²", "2026-11"])
def test_other_texts_are_no_spans(text: str) -> None:
    assert notation_of(text) is None


def test_eight_digits_are_numbers_if_the_settings_say_so() -> None:
    notation = notation_of("20261130", "number")
    assert notation is not None
    assert notation.text((notation.position("20261130") or 0) + 1) == "20261131"
    assert notation_of("7", "date") is None


@pytest.mark.parametrize(
    ("names", "others"),
    [
        (["2026-11-01", "2026-11-02", "tmp"], ["tmp"]),
        (["08", "09", "10", "11", "100"], []),
        (["8", "9", "10"], []),
        (["2026-11-01", "20261102", "2026-11-03"], ["20261102"]),
    ],
)
def test_the_notation_is_that_of_most_names(names: list[str], others: list[str]) -> None:
    assert common_notation(names)[1] == others


def test_no_notation() -> None:
    assert common_notation(["a", "b"]) == (None, ["a", "b"])
