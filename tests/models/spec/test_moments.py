"""Moments and microseconds."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from models.spec.moments import iso_moment, microseconds_of


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "1970-01-01T00:00:00+00:00"),
        (-1, "1969-12-31T23:59:59.999999+00:00"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_microseconds_are_moments_to_the_last_digit(microseconds: int, text: str) -> None:
    assert iso_moment(microseconds) == text
    assert microseconds_of(datetime.fromisoformat(text)) == microseconds


def test_an_offset_counts() -> None:
    at_noon = datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert microseconds_of(at_noon) == microseconds_of(datetime(2024, 5, 1, 10, tzinfo=UTC))
