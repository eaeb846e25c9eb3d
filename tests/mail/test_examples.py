from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from aimx.mail import header
from aimx.mail.author import Author, author
from aimx.mail.envelope import Incoming
from aimx.mail.mime import document
from aimx.mail.reading import read

MESSAGES = sorted((Path(__file__).parents[2] / "examples" / "messages").glob("*.eml"))
NAMES = [path.stem for path in MESSAGES]


def test_there_is_something_to_try() -> None:
    assert len(MESSAGES) == 8


@pytest.mark.parametrize("path", MESSAGES, ids=NAMES)
def test_an_example_is_a_message_that_reads_well(path: Path) -> None:
    content = path.read_bytes()

    found = document(content)

    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", content)
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert isinstance(author(header.read(content)), Author)
    assert found.body.strip()
    assert not found.notes


@pytest.mark.parametrize(
    ("name", "attachments"),
    [
        ("4-attachment", ["bookings.csv"]),
        ("8-hostile-name", ["bashrc", "invoice_fdp.exe"]),
    ],
)
def test_attachments_of_the_examples_have_harmless_names(
    arrive: Callable[[bytes], Incoming], name: str, attachments: list[str]
) -> None:
    content = MESSAGES[NAMES.index(name)].read_bytes()

    assert [file.name for file in read(arrive(content)).attachments] == attachments


def test_a_reply_is_in_the_thread_of_what_it_answers(
    arrive: Callable[[bytes], Incoming],
) -> None:
    first, reply = (
        read(arrive(MESSAGES[NAMES.index(name)].read_bytes())) for name in ("1-plain", "6-reply")
    )

    assert first.heading.thread_id == reply.heading.thread_id
