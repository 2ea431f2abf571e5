"""Texts and numbers of moments, read alone: ISO 8601 and its variants, date formats, units."""

import locale
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dataplane.sources.ingestion.date_formats import problem_of
from dataplane.sources.ingestion.moment_texts import parse_dates, parse_moments
from dataplane.sources.ingestion.moments import most_voted, to_moments, unit_votes

SECOND = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def moment(text, written=None):
    texts = pa.array([text], pa.string())
    missing, moments = parse_dates(texts, written) if written else parse_moments(texts)
    return "missing" if missing[0].as_py() else moments[0].as_py()


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-01-02 03:04:05 UTC", SECOND),
        ("2026-01-02 03:04:05+00", SECOND),
        ("2026-01-02 03:04:05 +0000", SECOND),
        ("2026-01-02 08:34:05+05:30", SECOND),
        ("2026-01-01T23:04:05-0400", SECOND),
        ("2026-01-02T03:04:05Z", SECOND),
        ("2026-01-02t03:04:05z", SECOND),
        ("2026-01-02 03:04:05 GMT", SECOND),
        ("2026-01-02T04:04:05.123456789+0100", SECOND.replace(microsecond=123456)),
        ("2026-01-02 03:04:05.000000", SECOND),
        ("2026-01-02 03:04:05.1", SECOND.replace(microsecond=100_000)),
        ("2026-01-02 03:04:05.1234567 UTC", SECOND.replace(microsecond=123456)),
        ("2026-01-02 03:04:05,250", SECOND.replace(microsecond=250_000)),
        (" 2026-01-02 03:04:05 ", SECOND),
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02 03:04", SECOND.replace(second=0)),
        ("2016-12-31 23:59:60 UTC", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2017-01-01T08:59:60+09:00", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31 23:58:60", None),
        ("0001-01-01 00:00:00", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31 23:59:59.999999+00", datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
        ("0001-01-01 00:00:00+01", None),
        ("0000-00-00 00:00:00", None),
        ("9999-12-31 23:59:59-01", None),
        ("10000-01-01 00:00:00", None),
        ("1969-12-31 23:59:59 UTC", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-02-29 00:00:00 UTC", None),
        ("2024-02-29 00:00:00 UTC", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2026-01-02 24:00:00 UTC", None),
        ("2026-01-02 03:04:05 CET", None),
        ("2026-01-02 04:04:05.000 Europe/Berlin", SECOND),
        ("2026-07-02 05:04:05 Europe/Berlin", SECOND.replace(month=7)),
        ("2026-01-02T04:04:05+01:00[Europe/Berlin]", SECOND),
        ("2026-01-02 00:04:05 America/Argentina/Buenos_Aires", SECOND),
        ("2026-10-25 02:30:00 Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-03-29 02:30:00 Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("2026-01-02 03:04:05 Europe/Nowhere", None),
        ("0001-01-01 00:00:00 Europe/Berlin", None),
        ("2026-01-02 03:04:05+99", None),
        ("2026-01-02 03:04:05.1234567890", None),
        ("NULL", "missing"),
        ("NaT", "missing"),
        ("", "missing"),
        (None, "missing"),
    ],
)
def test_iso_8601_and_the_variants_of_databases(text, read):
    assert moment(text) == read


@pytest.mark.parametrize(
    ("text", "written", "read"),
    [
        ("Fri, 02 Jan 2026 03:04:05 +0000", "%a, %d %b %Y %H:%M:%S %z", SECOND),
        ("Fri, 02 Jan 2026 03:04:05 GMT", "%a, %d %b %Y %H:%M:%S %z", SECOND),
        ("Fri Jan 2 03:04:05 UTC 2026", "%a %b %d %H:%M:%S %Z %Y", SECOND),
        ("02.01.2026 04:04:05 Europe/Berlin", "%d.%m.%Y %H:%M:%S %Z", SECOND),
        ("Thu Jan 1 22:04:05 EST 2026", "%a %b %d %H:%M:%S %Z %Y", None),
        ("02/Jan/2026:04:04:05 +0100", "%d/%b/%Y:%H:%M:%S %z", SECOND),
        ("1/2/26 3:04:05 AM", "%m/%d/%y %I:%M:%S %p", SECOND),
        ("1/2/2026 12:04 a.m.", "%m/%d/%Y %I:%M %p", datetime(2026, 1, 2, 0, 4, tzinfo=UTC)),
        ("1/2/2026 12:04 PM", "%m/%d/%Y %I:%M %p", datetime(2026, 1, 2, 12, 4, tzinfo=UTC)),
        ("1/2/2026 13:04 PM", "%m/%d/%Y %I:%M %p", None),
        ("1/2/2026 13:04 PM", "%m/%d/%Y %H:%M %p", datetime(2026, 1, 2, 13, 4, tzinfo=UTC)),
        ("1/2/2026 13:04 AM", "%m/%d/%Y %H:%M %p", None),
        ("02-JAN-26", "%d-%b-%y", datetime(2026, 1, 2, tzinfo=UTC)),
        ("02-JAN-26 03.04.05.123456000 AM", "%d-%b-%y %I.%M.%S.%f %p", SECOND.replace(microsecond=123456)),
        ("Friday 2 September 1994", "%A %d %B %Y", datetime(1994, 9, 2, tzinfo=UTC)),
        ("2 Sept 1994", "%d %b %Y", datetime(1994, 9, 2, tzinfo=UTC)),
        ("Fri Jan  2 03:04:05 +0000 2026", "%a %b %d %H:%M:%S %z %Y", SECOND),
        ("Fri Jan  2 03:04:05 UTC 2026", "%a %b %e %H:%M:%S UTC %Y", SECOND),
        ("2026-060", "%Y-%j", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-366", "%Y-%j", None),
        ("20260102030405250", "%Y%m%d%H%M%S%f", SECOND.replace(microsecond=250_000)),
        ("2026112", "%Y%m%d", None),
        ("100%: 1.2.2026", "100%%: %d.%m.%Y", datetime(2026, 2, 1, tzinfo=UTC)),
        ("02 Janvier 2026", "%d %B %Y", None),
        ("2026-01-02 03:04:05 UTC", "%d.%m.%Y", SECOND),
        ("n/a", "%d.%m.%Y", "missing"),
    ],
)
def test_dates_are_read_by_their_format(text, written, read):
    assert moment(text, written) == read


@pytest.mark.parametrize(
    ("written", "expected"),
    [("%d.%m.%Y %Q", "%Q is not known"), ("%d.%m.%Y %I:%M", "without %p"), ("%d.%m.%d", "%d twice"),
     ("%H:%M", "lacks year"), ("%d.%m.%Y %f", "%f without %S"), ("%d.%m.%Y %", "without a letter"),
     ("%Y-%j", ""), ("%d/%b/%Y:%H:%M:%S %z", "")],
)  # fmt: skip
def test_incomplete_and_contradictory_date_formats_are_refused(written, expected):
    assert expected in problem_of(written)
    assert bool(expected) == bool(problem_of(written))


def test_values_of_a_mixed_column_are_read_as_each_alone():
    texts = ["2026-01-02 03:04:05", "2026-01-02T04:04:05.5+01", None, "2026-02-31", "2026-01-02 03:04:05 UTC", "-"] * 50
    missing, moments = parse_moments(pa.array(texts))
    alone = [parse_moments(pa.array([text], pa.string())) for text in texts]
    assert moments.to_pylist() == [value.to_pylist()[0] for _, value in alone]
    assert missing.to_pylist() == [value.to_pylist()[0] for value, _ in alone]
    half = pc.if_else(pa.array([True, False] * 150), pa.array(texts), None)
    assert parse_moments(half)[1].to_pylist()[::2] == moments.to_pylist()[::2], "whatever shares a batch"


def test_month_names_are_english_in_every_locale():
    before = locale.setlocale(locale.LC_TIME)
    names = [name for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8") if _has_locale(name)]
    try:
        for name in names:
            locale.setlocale(locale.LC_TIME, name)
            assert moment("02-DEC-26", "%d-%b-%y") == datetime(2026, 12, 2, tzinfo=UTC)
            assert moment("02-DEZ-26", "%d-%b-%y") is None
    finally:
        locale.setlocale(locale.LC_TIME, before)


def _has_locale(name):
    before = locale.setlocale(locale.LC_TIME)
    try:
        locale.setlocale(locale.LC_TIME, name)
    except locale.Error:
        return False
    locale.setlocale(locale.LC_TIME, before)
    return True


@pytest.mark.parametrize(
    ("numbers", "unit"),
    [([1_767_323_045], "s"), ([1_767_323_045_123], "ms"), ([1_767_323_045_123_456], "us"),
     ([1_767_323_045_123_456_789], "ns"), ([-1_000_000], "s")],
)  # fmt: skip
@pytest.mark.parametrize("text", [False, True])
def test_units_of_numbers(numbers, unit, text):
    values = pa.array([str(number) for number in numbers]) if text else pa.array(numbers)
    assert most_voted([unit_votes(values)]) == unit
    [read] = to_moments(values, unit)[1].cast(pa.int64()).to_pylist()
    assert read == numbers[0] * {"s": 10**6, "ms": 1000, "us": 1, "ns": 0}[unit] + (unit == "ns") * (numbers[0] // 1000)
