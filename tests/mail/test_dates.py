from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.mail import dates


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Fri, 02 Jan 2026 03:04:05 +0000", "2026-01-02T03:04:05Z"),
        ("2 Jan 2026 03:04 +0100", "2026-01-02T02:04:00Z"),
        ("Fri, 2 Jan 2026 03:04:05 -0530 (IST)", "2026-01-02T08:34:05Z"),
        ("Fri, 2 Jan 2026 (a (nested) comment) 03:04:05 +0000", "2026-01-02T03:04:05Z"),
        ("(before) 2 Jan 2026 03:04:05 +0000", "2026-01-02T03:04:05Z"),
        ("Fri, 2 Jan 26 03:04:05 GMT", "2026-01-02T03:04:05Z"),
        ("Fri, 2 Jan 98 03:04:05 EST", "1998-01-02T08:04:05Z"),
        ("Thu, 1 Jan 1970 00:00:00", "1970-01-01T00:00:00Z"),
        ("Fri, 2 January 2026 23:59:60 Z", "2026-01-02T23:59:59Z"),
    ],
)
def test_a_date_is_a_moment(text: str, moment: str) -> None:
    found = dates.read(text)

    assert found
    assert dates.rfc3339(found) == moment
    assert dates.likely(text) == found


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Fri Jan  2 03:04:05 2026", "2026-01-02T03:04:05Z"),
        ("Fri Jan 2 03:04:05 EST 2026", "2026-01-02T08:04:05Z"),
        ("Fri, Jan 2 03:04 +0100 2026", "2026-01-02T02:04:00Z"),
        ("Fri, 2 Jan 2026 3:4:5 +0100", "2026-01-02T02:04:05Z"),
        ("Fr, 2 Jan 2026 03:04:05 +0100", "2026-01-02T02:04:05Z"),
    ],
)
def test_a_date_that_is_written_otherwise_is_likely_a_moment(text: str, moment: str) -> None:
    found = dates.likely(text)

    assert found
    assert dates.rfc3339(found) == moment
    assert dates.read(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "31 Feb 2026 00:00:00 +0000",
        "2 Jux 2026 00:00:00 +0000",
        "1 Jan 2026 25:00:00 +0000",
        "1 Jan 0000 00:00:00 +0000",
        "31 Dec 9999 23:59:59 -9999",
        "1 Jan 0001 00:00:00 +0100",
        "Fri Feb 31 00:00:00 2026",
        "Fri Jan 2 2026",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert dates.read(text) is None
    assert dates.likely(text) is None


zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1900, 1, 3), datetime(9999, 12, 29), timezones=zones))  # noqa: DTZ001
def test_a_date_that_was_written_is_read(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)

    assert dates.read(format_datetime(moment)) == moment.astimezone(UTC)


@given(st.text())
def test_no_text_at_all_makes_reading_a_date_fail(text: str) -> None:
    dates.likely(text)
    dates.likely(f"1 Jan 20{text}")
    dates.likely(f"Fri Jan 1 {text}")
