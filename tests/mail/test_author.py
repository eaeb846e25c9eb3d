from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.mail import header
from aimx.mail.author import Author, NoAuthor, author


@pytest.mark.parametrize(
    ("field", "address"),
    [
        (b"From: alice@Example.COM", "alice@example.com"),
        (b"from: Alice <Alice@example.com>", "Alice@example.com"),
        (b"From:\r\n Alice\r\n <alice@example.com>", "alice@example.com"),
        (b'From: "boss@corp.example" <x@example.com>', "x@example.com"),
    ],
)
def test_one_from_field_with_one_address_is_the_author(field: bytes, address: str) -> None:
    content = b"To: info@example.com\r\n" + field + b"\r\n\r\nFrom: other@example.net\r\n"

    assert author(header.read(content)) == Author(address, "example.com")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (b"X: y", "The header has 0 From fields, not one."),
        (
            b"From: a@a.example\r\nFrom: b@b.example",
            "The header has 2 From fields, not one.",
        ),
        (
            b"From: a@a.example\r\nFROM : a@a.example",
            "The header has 2 From fields, not one.",
        ),
        (
            b"From: a@a.example, b@b.example",
            "The From field has 2 addresses, not one.",
        ),
        (b"From: ", "The From field has 0 addresses, not one."),
        (b"From: Alice", "The From field cannot be read: an address has no @, or more than one."),
        (
            b"From: a@[192.0.2.1]",
            "The From field has an address without the name of a domain.",
        ),
        (
            b"From: a@-.example",
            "The From field has an address without the name of a domain.",
        ),
    ],
)
def test_without_one_address_there_is_no_author(fields: bytes, reason: str) -> None:
    assert author(header.read(fields + b"\r\n\r\nbody")) == NoAuthor(reason)


def test_a_second_from_field_beyond_the_limit_is_not_overlooked() -> None:
    padding = b"X: y\r\n" * (header.LIMIT // 6 + 1)

    found = author(header.read(b"From: a@a.example\r\n" + padding + b"From: b@b.example\r\n\r\n"))

    assert isinstance(found, NoAuthor)


@given(st.binary())
def test_all_octets_have_an_author_or_a_reason(value: bytes) -> None:
    found = author(header.read(b"From: " + value))

    assert found.domain if isinstance(found, Author) else found.reason
