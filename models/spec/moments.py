"""Moments in a configuration: ISO dates or times, in UTC unless they have an offset."""

from datetime import UTC, datetime
from typing import Annotated, TypeAlias

from pydantic import AfterValidator


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


UtcMoment: TypeAlias = Annotated[datetime, AfterValidator(_in_utc)]
