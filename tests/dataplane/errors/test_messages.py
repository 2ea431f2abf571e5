"""What messages repeat has a bounded length and no characters that a terminal would obey."""

import pytest

from dataplane.errors.messages import listed, quoted, shown


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    told = shown("/a/path" + "x" * 10_000 + "the reason")
    assert told.startswith("/a/pathxx")
    assert told.endswith("xxthe reason")
    assert " … 9,817 characters … " in told
    assert shown("abcdefgh", 8) == "abcdefgh"
    assert shown("abcdefghi", 8) == "abcd … 1 characters … fghi"


def test_what_cannot_be_printed_is_escaped() -> None:
    assert shown("a\x1b[31m\nb\ud800") == "a\\x1b[31m\\nb\\ud800"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("nl", "'nl'"),
        (1.5, "1.5"),
        (None, "None"),
        ([1, "a"], "[1, 'a']"),
        ("\x1b", "'\\x1b'"),
        ([[[[[1]]]]], "[[[[ … ]]]]"),
    ],
)
def test_a_value_is_told_as_it_is_written(value: object, told: str) -> None:
    assert quoted(value) == told


@pytest.mark.parametrize(
    "value", ["x" * 10**6, b"x" * 10**6, [["y" * 10**5] * 10**5], {str(n): "z" * 999 for n in range(999)}]
)
def test_a_large_value_is_told_briefly(value: object) -> None:
    assert len(quoted(value)) < 240


def test_many_names_are_counted() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([f"n{n}" for n in range(50)]).endswith("n39, … and 10 more")
