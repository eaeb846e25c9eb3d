import asyncio
import ssl

import pytest

from aimx.smtp import connection
from aimx.smtp.certificate import context

EHLO = (
    "250-mx.example.com Hello c.example\n250-SIZE 26214400\n250-8BITMIME\n250-SMTPUTF8\n"
    "250-PIPELINING\n{}250 ENHANCEDSTATUSCODES"
)


def test_tls_is_offered_where_there_is_a_certificate_and_until_it_is_on(serve, client_context):
    async def run() -> None:
        async with serve() as server, server.client() as client:
            assert await client.ask(b"EHLO c.example") == EHLO.format("250-STARTTLS\n")
            assert await client.ask(b"STARTTLS") == "220 2.0.0 Ready to start TLS"
            await client.encrypt(client_context)
            assert await client.ask(b"EHLO c.example") == EHLO.format("")
            assert await client.ask(b"STARTTLS") == "503 5.5.1 TLS already active"

    asyncio.run(run())


def test_without_a_certificate_tls_is_not_offered(serve):
    async def run() -> None:
        async with serve(tls=False) as server, server.client() as client:
            assert await client.ask(b"EHLO c.example") == EHLO.format("")
            assert await client.ask(b"STARTTLS") == "502 5.5.1 STARTTLS not available"

    asyncio.run(run())


def test_a_new_certificate_serves_sessions_that_were_open_before(
    serve, server_context, client_context
):
    async def run() -> None:
        async with serve(tls=False) as server, server.client() as client:
            server.tls = server_context
            assert await client.ask(b"STARTTLS") == "220 2.0.0 Ready to start TLS"
            await client.encrypt(client_context)
            assert await client.ask(b"NOOP") == "250 2.0.0 OK"

    asyncio.run(run())


def test_tls_begins_a_new_session(serve, client_context):
    async def run() -> None:
        async with serve() as server, server.client() as client:
            await client.ask(b"EHLO c.example")
            assert await client.ask(b"STARTTLS") == "220 2.0.0 Ready to start TLS"
            await client.encrypt(client_context)
            assert await client.ask(b"MAIL FROM:<a@b.example>") == (
                "503 5.5.1 Send EHLO/HELO first"
            )

    asyncio.run(run())


@pytest.mark.parametrize("split", [False, True], ids=["in-one-block", "behind-the-reply"])
def test_what_was_injected_before_tls_is_never_answered_within(split, serve, client_context):
    async def run() -> None:
        async with serve() as server, server.client() as client:
            injected = b"EHLO evil.example\r\nMAIL FROM:<evil@example.org>\r\n"
            client.say(b"STARTTLS\r\n" + (b"" if split else injected))
            assert await client.reply() == "220 2.0.0 Ready to start TLS"
            if split:
                # No TLS record: the handshake fails, and with it the connection.
                client.say(injected)
                assert b"250" not in await client.reader.read()
                return
            await client.encrypt(client_context)
            assert await client.ask(b"RCPT TO:<info@example.com>") == (
                "503 5.5.1 Send EHLO/HELO first"
            )

    asyncio.run(run())


def test_tls_is_1_2_or_newer(certificate):
    made = context(certificate.read_bytes())

    assert made.minimum_version == ssl.TLSVersion.TLSv1_2
    assert made.maximum_version == ssl.TLSVersion.MAXIMUM_SUPPORTED


def test_a_message_within_tls_says_so(serve, client_context):
    async def run() -> None:
        async with serve() as server:
            async with server.client() as client:
                await client.ask(b"STARTTLS")
                await client.encrypt(client_context)
                await client.begin()
                client.say(b"x\r\n" * 100_000 + b".\r\n")
                assert await client.reply() == "250 2.0.0 OK"
            async with server.client() as client:
                await client.begin()
                assert await client.ask(b"x\r\n.") == "250 2.0.0 OK"
            clients = [received.incoming.envelope.client for received in server.received]
            assert [client.tls for client in clients] == [True, False]
            assert len(server.contents[0]) == 300_000

    asyncio.run(run())


def test_a_failed_handshake_ends_the_connection_and_is_counted(serve):
    async def run() -> None:
        async with serve() as server:
            async with server.client() as client:
                await client.ask(b"STARTTLS")
                distrusting = ssl.create_default_context()
                with pytest.raises(ssl.SSLCertVerificationError):
                    await client.encrypt(distrusting)
            await server.greeter.drain()
            assert server.closed == ["127.0.0.1"]

    asyncio.run(run())


def test_a_client_that_shakes_no_hands_is_let_go(serve, monkeypatch):
    monkeypatch.setattr(connection, "_HANDSHAKE", 0.05)

    async def run() -> None:
        async with serve() as server, server.client() as client:
            await client.ask(b"STARTTLS")
            assert await client.rest() == []

    asyncio.run(run())


def test_a_client_that_is_gone_before_the_handshake_is_counted(serve):
    async def run() -> None:
        async with serve() as server:
            async with server.client() as client:
                client.say(b"STARTTLS\r\n")
            await server.greeter.drain()
            assert server.closed == ["127.0.0.1"]

    asyncio.run(run())


def test_a_context_that_cannot_be_used_ends_the_connection_and_is_counted(serve, capsys):
    async def run() -> None:
        async with serve() as server, server.client() as client:
            server.tls = object()
            await client.ask(b"EHLO client.example.org")
            assert (await client.ask(b"STARTTLS")).startswith("220")
            assert await client.rest() == []
            while not server.closed:
                await asyncio.sleep(0)

    asyncio.run(run())
    assert "unexpected error" in capsys.readouterr().out
