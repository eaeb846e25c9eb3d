from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from aimx.mail import frontmatter
from aimx.mail.frontmatter import FrontmatterError

texts = st.text(st.characters(exclude_categories=["Cs"]))
hostile = st.sampled_from(
    ["+++", "\n+++\n", "\r\n+++\r\n", "\u2028+++", '"', "\\", '"""', "[[x]]\n"]
)


@given(texts | st.lists(hostile | texts).map("".join))
def test_any_text_comes_back_from_a_basic_string(text: str) -> None:
    line = f"key = {frontmatter.text(text)}"

    assert tomli.loads(line) == {"key": text}
    assert line.splitlines() == [line]


scalars = (
    texts
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.dates()
    | st.times().map(lambda moment: moment.replace(fold=0))
    | st.datetimes().map(lambda moment: moment.replace(fold=0))
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
mappings = st.dictionaries(texts | st.sampled_from(sorted(frontmatter.ORDER)), values, max_size=8)


@given(mappings, st.binary())
def test_a_file_comes_back_as_it_was_joined(keys: dict[str, Any], body: bytes) -> None:
    assert frontmatter.split(frontmatter.join(keys, body)) == (keys, body)


@given(mappings, st.binary())
def test_joining_what_was_split_changes_nothing(keys: dict[str, Any], body: bytes) -> None:
    raw = frontmatter.join(keys, body)

    assert frontmatter.join(*frontmatter.split(raw)) == raw


def test_our_keys_come_first_and_in_order_and_tables_last() -> None:
    keys = {
        "mine": datetime(2026, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=1))),
        "attachments": [{"filename": "a", "size": 1}],
        "read": True,
        "id": "x",
        "read_at": "2026-01-02T03:04:05Z",
        "labels": ["a", "b"],
        "day": date(2026, 1, 2),
    }

    assert frontmatter.join(keys, b"body\n").decode() == (
        '+++\nid = "x"\nread = true\nread_at = "2026-01-02T03:04:05Z"\nlabels = ["a", "b"]\n'
        "mine = 2026-01-02T03:04:00+01:00\nday = 2026-01-02\n"
        '\n[[attachments]]\nfilename = "a"\nsize = 1\n+++\n\nbody\n'
    )


@given(
    st.lists(
        st.tuples(st.sampled_from(["subject", "from"]), texts), max_size=2, unique_by=lambda k: k[0]
    ),
    texts,
)
def test_the_rest_of_a_file_fits_below_its_id(keys: list[tuple[str, str]], name: str) -> None:
    table = {"filename": name, "size": 3}

    raw = b'+++\nid = "2026-01-02-030405-a"\n' + frontmatter.rest(keys, [table], b"+++\nbody\n")

    found, body = frontmatter.split(raw)
    assert found == {"id": "2026-01-02-030405-a", **dict(keys), "attachments": [table]}
    assert body == b"+++\nbody\n"


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"+++\n+++\n", ({}, b"")),
        (b"+++\n+++\n\nbody", ({}, b"body")),
        (b"+++\na = 1\n+++\nbody\n+++\n", ({"a": 1}, b"body\n+++\n")),
        (b'+++\na = "+++"\n# +++\n+++\n\n\nbody', ({"a": "+++"}, b"\nbody")),
    ],
)
def test_only_lines_that_are_the_mark_divide_a_file(
    raw: bytes, found: tuple[dict[str, Any], bytes]
) -> None:
    assert frontmatter.split(raw) == found


def test_a_number_that_is_too_long_for_decimals_is_kept() -> None:
    raw = b"+++\nlabels = 0x" + b"f" * 5000 + b"\n+++\n\nbody"

    assert frontmatter.join(*frontmatter.split(raw)) == raw


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"+++\n",
        b"+++\na = 1\n",
        b" +++\na = 1\n+++\n",
        b"+++ \na = 1\n+++\n",
        b"+++\na = 1\n++++\n",
        b"+++\nnonsense\n+++\n",
        b'+++\na = "\xff"\n+++\n',
        b"+++\na = " + b"[" * 10_000 + b"\n+++\n",
        b"+++\na = " + b"9" * 10_000 + b"\n+++\n",
    ],
)
def test_a_file_without_frontmatter_is_an_error_of_its_own(raw: bytes) -> None:
    with pytest.raises(FrontmatterError):
        frontmatter.split(raw)


@given(st.binary())
def test_splitting_raises_nothing_but_its_own_error(raw: bytes) -> None:
    for candidate in (raw, b"+++\n" + raw + b"\n+++\n"):
        try:
            frontmatter.split(candidate)
        except FrontmatterError as fault:
            assert str(fault)  # noqa: PT017
