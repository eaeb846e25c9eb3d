"""Runs the dialogues in `dialogues/`, plain and within TLS.

A file has these lines: `C:` what the client says, with CRLF added; `R:` the same with Python's
escapes and nothing added; `S:` a line that the server answers, `S: (closed)` that it hangs up;
`K:` a message that was kept: sender, recipients, and content with escapes; `L:` limits;
`plain only` where it makes no sense in TLS; `#` a remark. What the client says without a break is
sent in one write.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from itertools import groupby
from pathlib import Path

import pytest

from aimx.snapshot import Limits

DIALOGUES = sorted(Path(__file__).with_name("dialogues").glob("*.txt"))
GREETING = "220 mx.example.com ESMTP aimx"


def parsed(path: Path) -> list[tuple[str, str]]:
    lines = (line for line in path.read_text("utf-8").splitlines() if line)
    return [(line[0], line[2:].lstrip(" ")) for line in lines if line[0] not in "#p"]


def unescaped(text: str) -> bytes:
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


def limits(dialogue: Iterable[tuple[str, str]]) -> Limits:
    types = {field.name: type(field.default) for field in fields(Limits)}
    said = [word.split("=") for kind, text in dialogue if kind == "L" for word in text.split()]
    return replace(Limits(), **{name: types[name](value) for name, value in said})


def spoken(kind: str, text: str) -> bytes:
    return text.encode() + b"\r\n" if kind == "C" else unescaped(text)


def turns(dialogue: list[tuple[str, str]]) -> Iterator[tuple[bool, list[tuple[str, str]]]]:
    """Who speaks, and what they say: the client where it is true."""
    said = [line for line in dialogue if line[0] in "CRS"]
    for is_client, lines in groupby(said, lambda line: line[0] != "S"):
        yield is_client, list(lines)


def kept(server) -> list[str]:
    return [
        f"{it.envelope.sender or '<>'} {','.join(it.envelope.recipients)} "
        + repr(it.content)[2:-1].replace("\\'", "'")
        for it in (received.incoming for received in server.received)
    ]


async def converse(client, dialogue: list[tuple[str, str]]) -> None:
    for is_client, lines in turns(dialogue):
        if is_client:
            client.say(b"".join(spoken(kind, text) for kind, text in lines))
        else:
            expected = ["" if text == "(closed)" else text for _, text in lines]
            assert [await client.line() for _ in expected] == expected


def test_there_are_dialogues():
    assert len(DIALOGUES) > 10


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
def test_a_dialogue_goes_as_written(path: Path, serve):
    dialogue = parsed(path)

    async def run() -> None:
        async with serve(limits(dialogue)) as server:
            async with server.client(greeted=False) as client:
                await converse(client, dialogue)
            assert kept(server) == [text for kind, text in dialogue if kind == "K"]

    asyncio.run(run())


@pytest.mark.parametrize(
    "path",
    [path for path in DIALOGUES if not path.read_text().startswith("plain only")],
    ids=lambda path: path.stem,
)
def test_a_dialogue_goes_the_same_way_within_tls(path: Path, serve, client_context):
    dialogue = parsed(path)
    encrypted = [line for line in dialogue if line not in {("S", GREETING), ("S", "250-STARTTLS")}]

    async def run() -> None:
        async with serve(limits(dialogue)) as server:
            async with server.client() as client:
                assert await client.ask(b"STARTTLS") == "220 2.0.0 Ready to start TLS"
                await client.encrypt(client_context)
                await converse(client, encrypted)
            assert kept(server) == [text for kind, text in dialogue if kind == "K"]

    asyncio.run(run())
