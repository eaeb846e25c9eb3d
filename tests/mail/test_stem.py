from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.mail import stem

NEW_YEAR = datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("subject", "slug"),
    [
        ("Hello", "hello"),
        ("Re: Your  invoice -- No. 7!", "re-your-invoice-no-7"),
        ("A subject that is longer than twenty", "a-subject-that-is-lo"),
        ("A subject that is a b c", "a-subject-that-is-a"),
        ("Cafe\u0301", "caf\u00e9"),
        ("снова в среду", "снова-в-среду"),
        ("snake_case", "snake-case"),
        ("../../etc/passwd", "etc-passwd"),
        ("🎉", "no-subject"),
        ("", "no-subject"),
    ],
)
def test_the_slug_is_what_the_subject_says(subject: str, slug: str) -> None:
    assert stem.slug(subject) == slug


@pytest.mark.timeout(20)
def test_a_subject_of_nothing_but_marks_is_read_at_once() -> None:
    # Bringing all of it into order would take a minute.
    assert stem.slug("a" + "\u0300\u0316" * 100_000) == "à"


def test_the_time_is_in_utc() -> None:
    assert stem.base("Hello", NEW_YEAR) == "2025-12-31-233000-hello"


@given(st.text())
def test_a_stem_is_safe_as_a_name_and_in_toml(subject: str) -> None:
    base = stem.base(subject, NEW_YEAR.astimezone(UTC))

    assert re.fullmatch(r"2025-12-31-233000-[^\W_](?:[^\W_]|-[^\W_]){0,19}", base)
    assert len(base.encode()) < 200
