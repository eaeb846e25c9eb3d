"""What looks like the end of a message to somebody else must not be taken in at all."""

import asyncio

import pytest

MALFORMED = "521 5.5.2 Bare CR, bare LF or NUL: lines end in CRLF (RFC 5321 2.3.8)"
SMUGGLED = b"MAIL FROM:<b@example.org>\r\nRCPT TO:<info@example.com>\r\nDATA\r\nsmuggled\r\n.\r\n"

# CVE-2023-51764, -51765, -51766, CVE-2024-27305, and what was found since.
NO_ENDS = {
    "lf-dot-lf": b"\n.\n",
    "lf-dot-crlf": b"\n.\r\n",
    "crlf-dot-lf": b"\r\n.\n",
    "cr-dot-cr": b"\r.\r",
    "cr-dot-crlf": b"\r.\r\n",
    "crlf-dot-cr": b"\r\n.\r",
    "cr-dot-lf": b"\r.\n",
    "lf-dot-cr": b"\n.\r",
    "crcrlf-dot-crlf": b"\r\r\n.\r\n",
    "crlf-dot-crcrlf": b"\r\n.\r\r\n",
    "lfcr-dot-lfcr": b"\n\r.\n\r",
    "lflf-dot-crlf": b"\n\n.\r\n",
    "crlf-nul-dot-crlf": b"\r\n\0.\r\n",
    "crlf-dot-nul-crlf": b"\r\n.\0\r\n",
    "nul-crlf-dot-crlf": b"\0\r\n.\r\n",
}
# Well formed, and not the end either.
TEXTS = {
    "dot-space": (b"\r\n. \r\n", b"\r\n \r\n"),
    "dot-tab": (b"\r\n.\t\r\n", b"\r\n\t\r\n"),
    "space-dot": (b"\r\n .\r\n", b"\r\n .\r\n"),
    "dot-dot": (b"\r\n..\r\n", b"\r\n.\r\n"),
    "dot-letter": (b"\r\n.x\r\n", b"\r\nx\r\n"),
    "unicode-line-ends": (
        "\r\n\u0085.\u2028.\r\n".encode(),
        "\r\n\u0085.\u2028.\r\n".encode(),
    ),
    "vertical-tab": (b"\r\n\v.\f\r\n", b"\r\n\v.\f\r\n"),
}


@pytest.mark.parametrize("end", NO_ENDS.values(), ids=NO_ENDS)
def test_no_other_end_is_taken_in(end: bytes, serve):
    async def run() -> None:
        async with serve() as server:
            async with server.client() as client:
                await client.begin()
                client.say(b"Subject: a\r\n\r\ntext" + end + SMUGGLED + b"QUIT\r\n")
                assert await client.rest() == [MALFORMED]
            assert server.received == []

    asyncio.run(run())


@pytest.mark.parametrize("end", NO_ENDS.values(), ids=NO_ENDS)
def test_no_other_end_is_taken_in_however_it_is_cut(end: bytes, serve):
    sent = b"a" + end + SMUGGLED[:40]

    async def attempt(server, place: int) -> None:
        async with server.client() as client:
            await client.begin()
            client.say(sent[:place])
            await client.writer.drain()
            await asyncio.sleep(0)
            client.say(sent[place:])
            assert await client.rest() == [MALFORMED]

    async def run() -> None:
        async with serve() as server:
            await asyncio.gather(*(attempt(server, place) for place in range(1, len(end) + 3)))
            assert server.received == []

    asyncio.run(run())


@pytest.mark.parametrize("end", NO_ENDS.values(), ids=NO_ENDS)
def test_no_other_end_is_taken_in_within_tls(end: bytes, serve, client_context):
    async def run() -> None:
        async with serve() as server:
            async with server.client() as client:
                assert await client.ask(b"STARTTLS") == "220 2.0.0 Ready to start TLS"
                await client.encrypt(client_context)
                await client.begin()
                client.say(b"Subject: a\r\n\r\ntext" + end + SMUGGLED + b"QUIT\r\n")
                assert await client.rest() == [MALFORMED]
            assert server.received == []

    asyncio.run(run())


@pytest.mark.parametrize("end", NO_ENDS.values(), ids=NO_ENDS)
def test_no_other_end_is_taken_in_where_commands_and_content_come_at_once(end: bytes, serve):
    commands = b"HELO c.example\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<info@example.com>\r\n"

    async def run() -> None:
        async with serve() as server:
            async with server.client() as client:
                client.say(commands + b"DATA\r\ntext" + end + SMUGGLED + b"QUIT\r\n")
                replies = await client.rest()
                assert replies[-2:] == [
                    "354 Start mail input; end with <CRLF>.<CRLF>",
                    MALFORMED,
                ]
            assert server.received == []

    asyncio.run(run())


@pytest.mark.parametrize("end", NO_ENDS.values(), ids=NO_ENDS)
def test_a_message_that_is_drained_is_no_cover(end: bytes, serve):
    async def run() -> None:
        async with serve() as server:
            async with server.client() as client:
                await client.begin()
                client.say(b"x" * 70_000 + b"\r\n" + end + SMUGGLED)
                assert await client.rest() == [MALFORMED]
            assert server.received == []

    asyncio.run(run())


@pytest.mark.parametrize(("sent", "kept"), TEXTS.values(), ids=TEXTS)
def test_a_text_that_resembles_the_end_is_text(sent: bytes, kept: bytes, serve):
    async def run() -> None:
        async with serve() as server:
            async with server.client() as client:
                await client.begin()
                client.say(b"a" + sent + SMUGGLED)
                assert await client.reply() == "250 2.0.0 OK"
            inner = SMUGGLED.removesuffix(b".\r\n")
            assert server.contents == [b"a" + kept + inner]

    asyncio.run(run())


def test_cut_at_every_byte_a_message_is_the_same(serve):
    sent = b"..a\r\n.\xff\xfeb\r\n\r\n.\r\nQUIT\r\n"

    async def attempt(server, place: int) -> None:
        async with server.client() as client:
            await client.begin()
            client.say(sent[:place])
            await client.writer.drain()
            await asyncio.sleep(0)
            client.say(sent[place:])
            assert await client.rest() == ["250 2.0.0 OK", "221 2.0.0 Bye"]

    async def run() -> None:
        async with serve() as server:
            await asyncio.gather(*(attempt(server, place) for place in range(1, len(sent))))
            assert server.contents == [b".a\r\n\xff\xfeb\r\n\r\n"] * (len(sent) - 1)

    asyncio.run(run())


@pytest.mark.parametrize("ended", [b"\n", b"\r", b"\r\r\n", b"\0\r\n", b"\n\r"], ids=repr)
def test_a_command_that_does_not_end_in_crlf_ends_the_session(ended: bytes, serve):
    async def run() -> None:
        async with serve() as server, server.client() as client:
            client.say(b"NOOP" + ended + b"NOOP\r\nNOOP\r\n")
            assert await client.rest() == [MALFORMED]

    asyncio.run(run())


def test_all_that_follows_a_malformed_line_is_still_read_so_that_the_reply_arrives(serve):
    async def run() -> None:
        async with serve() as server, server.client() as client:
            await client.begin()
            client.say(b"a\nb" + b"x" * 5_000_000)
            await client.writer.drain()
            assert await client.rest() == [MALFORMED]

    asyncio.run(run())
