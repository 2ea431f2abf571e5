"""Moments: of a configuration, and as microseconds since 1970 UTC, which is how events hold them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeAlias

from pydantic import AfterValidator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


UtcMoment: TypeAlias = Annotated[datetime, AfterValidator(_in_utc)]
"""An ISO date or time of a configuration, in UTC unless it has an offset."""


def microseconds_of(moment: datetime) -> int:
    """Microseconds from 1970 UTC to a moment with an offset."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def iso_moment(microseconds: int) -> str:
    """The moment so many microseconds after 1970 UTC, in ISO 8601."""
    return (_EPOCH + timedelta(microseconds=microseconds)).isoformat()
