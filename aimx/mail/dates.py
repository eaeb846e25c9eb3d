"""The date of a Date field (RFC 5322 3.3 and 4.3), and times as RFC 3339 writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from aimx.mail import comments

_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, start=1)}
# RFC 5322 4.3: a zone that is not known counts as -0000, which is UTC.
_ZONES = {"edt": -4, "est": -5, "cdt": -5, "cst": -6, "mdt": -6, "mst": -7, "pdt": -7, "pst": -8}
_DAY = r"(?P<day>[0-9]{1,2})"
_MONTH = r"(?P<month>[a-z]{3})[a-z]*"
_YEAR = r"(?P<year>[0-9]{2,4})"
_ZONE = r"(?:(?P<sign>[+-])(?P<hours>[0-9]{2}):?(?P<minutes>[0-9]{2})|(?P<zone>[a-z]{1,5}))?"


def _clock(digits: str) -> str:
    """Whose minutes and seconds have so many digits."""
    minute, second = rf"(?P<minute>[0-9]{digits})", rf"(?P<second>[0-9]{digits})"
    return rf"(?P<hour>[0-9]{{1,2}}):{minute}(?::{second})?(?:\.[0-9]{{1,9}})?"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.ASCII)


_DATE = _pattern(
    rf"\s*(?:[a-z]{{3,9}}\.?,?\s*)?{_DAY}[\s-]+{_MONTH}[\s-]+{_YEAR}\s+{_clock('{2}')}\s*{_ZONE}"
)
# As the C library writes it, and as people do who count on nobody's reading it.
_OTHERWISE = (
    _pattern(
        rf"\s*[a-z]{{2,9}},?\s+{_MONTH}\s+{_DAY}\s+{_clock('{1,2}')}\s+(?:{_ZONE}\s+)?{_YEAR}\b"
    ),
    _pattern(
        rf"\s*(?:[a-z]{{2,9}}\.?,?\s*)?{_DAY}[\s-]+{_MONTH}[\s-]+{_YEAR}\s+{_clock('{1,2}')}\s*{_ZONE}"
    ),
)
_FIELDS = ("day", "month", "year", "hour", "minute", "second", "sign", "hours", "minutes", "zone")
_LONGEST = 256  # Characters that are looked at.
_TO_THE_SECOND = len("2026-01-02T03:04:05")


def read(text: str) -> datetime | None:
    """The moment in UTC; None where the text names none."""
    return _moment(_DATE.match(comments.without(text[:_LONGEST])))


def likely(text: str) -> datetime | None:
    """The moment that is meant, also where it is written in another way than RFC 5322 has it."""
    if moment := read(text):
        return moment
    text = comments.without(text[:_LONGEST])
    return next(filter(None, (_moment(form.match(text)) for form in _OTHERWISE)), None)


def _moment(found: re.Match[str] | None) -> datetime | None:
    month = _MONTHS.get(found["month"].lower()) if found else None
    if not found or not month:
        return None
    day, _, year, hour, minute, second, *zone = found.group(*_FIELDS)
    try:
        # RFC 5322 3.3: second 60 is a leap second, which `datetime` does not know.
        clock = int(hour), int(minute), min(int(second or 0), 59)
        return datetime(_year(year), month, int(day), *clock, tzinfo=UTC) - _offset(*zone)
    except (ValueError, OverflowError):
        return None


def _year(digits: str) -> int:
    """RFC 5322 4.3: two digits up to 49 are this century's, and three count from 1900."""
    year = int(digits)
    if len(digits) == 4:
        return year
    return year + (2000 if len(digits) == 2 and year < 50 else 1900)


@lru_cache(256)  # There are few zones.
def _offset(sign: str | None, hours: str, minutes: str, zone: str | None) -> timedelta:
    if sign:
        east = timedelta(hours=int(hours), minutes=int(minutes))
        return east if sign == "+" else -east
    return timedelta(hours=_ZONES.get((zone or "").lower(), 0))


def rfc3339(moment: datetime) -> str:
    """To the second, in UTC, ending in Z."""
    return moment.astimezone(UTC).isoformat()[:_TO_THE_SECOND] + "Z"
