import asyncio
import json
import smtplib
import subprocess
import sys
from collections.abc import Iterable, Mapping

import pytest

from aimx.testing.certificate import throwaway_tls
from aimx.testing.exchanger import Exchanger, Received
from aimx.testing.script import DISCONNECT, GARBLED, OK

DIALOGUE = "EHLO me\nMAIL FROM:<a@a.example> SIZE=9\nRCPT TO:<b@c.example>\nDATA\n..x\n.\nQUIT"


def spoken(exchanger: Exchanger, dialogue: str) -> str:
    """What the exchanger says to these lines, in order."""

    async def run() -> bytes:
        async with exchanger:
            reader, writer = await asyncio.open_connection("127.0.0.1", exchanger.port)
            writer.write(dialogue.replace("\n", "\r\n").encode() + b"\r\n")
            writer.write_eof()
            try:
                return await reader.read()
            except ConnectionResetError:  # It hung up on what it had not read.
                return b""
            finally:
                writer.close()

    return asyncio.run(run()).decode().replace("\r\n", "\n")


def test_it_accepts_and_keeps_a_message() -> None:
    exchanger = Exchanger()

    said = spoken(exchanger, DIALOGUE)

    assert [line[:3] for line in said.splitlines()] == [
        *("220", "250", "250", "250", "250", "250", "354", "250", "221")
    ]
    assert exchanger.received == [
        Received("a@a.example", ("b@c.example",), b".x\r\n", tls=False, options="SIZE=9")
    ]


@pytest.mark.parametrize(
    ("script", "last", "kept"),
    [
        pytest.param({"RCPT": ["450 4.2.0 Later"]}, "221", 1, id="one-recipient-less"),
        pytest.param({"DATA": ["451 4.3.0 No"]}, "221", 0, id="no-data"),
        pytest.param({"END": ["554 5.7.1 Spam"]}, "221", 0, id="refused"),
        pytest.param({"END": [DISCONNECT]}, "354", 0, id="hangs-up"),
        pytest.param({"CONNECT": [DISCONNECT]}, "", 0, id="hangs-up-at-once"),
        pytest.param({"END": [OK]}, "221", 1, id="as-without-a-script"),
    ],
)
def test_it_follows_its_script(script: Mapping[str, Iterable[str]], last: str, kept: int) -> None:
    exchanger = Exchanger(script)

    said = spoken(exchanger, DIALOGUE)

    assert [line[:3] for line in said.splitlines()][-1:] == [last] * bool(last)
    assert len(exchanger.received) == kept


def test_an_answer_of_the_script_is_used_once() -> None:
    exchanger = Exchanger({"NOOP": ["450 4.0.0 One", OK, "450 4.0.0 Three"]})

    said = spoken(exchanger, "NOOP\nNOOP\nNOOP\nNOOP").splitlines()[1:]

    assert [line[:3] for line in said] == ["450", "500", "450", "500"]


def with_tls(exchanger: Exchanger) -> list[str]:
    def converse(port: int) -> list[str]:
        with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
            client.ehlo()
            client.starttls()
            client.ehlo()
            client.sendmail("a@a.example", ["b@c.example"], b"x\r\n")
            return sorted(client.esmtp_features)

    async def run() -> list[str]:
        async with exchanger:
            return await asyncio.to_thread(converse, exchanger.port)

    return asyncio.run(run())


def test_it_speaks_tls_and_offers_it_once() -> None:
    exchanger = Exchanger(tls=throwaway_tls())

    features = with_tls(exchanger)

    assert "starttls" not in features
    assert exchanger.received[0].tls


def test_its_tls_can_be_broken() -> None:
    exchanger = Exchanger({"STARTTLS": [GARBLED]}, tls=throwaway_tls())

    with pytest.raises(OSError, match="SSL"):
        with_tls(exchanger)


def test_from_a_shell_it_tells_each_message() -> None:
    command = [sys.executable, "-m", "aimx.testing.exchanger", "--port", "0", "MAIL=451 4.3.0 No"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline().rpartition(":")[2])
            with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
                with pytest.raises(smtplib.SMTPSenderRefused):
                    client.sendmail("a@a.example", ["b@c.example"], b"x\r\n")
                client.sendmail("a@a.example", ["b@c.example"], b"x\r\n")
            told = json.loads(process.stdout.readline())
        finally:
            process.terminate()

    assert (told["sender"], told["recipients"]) == ("a@a.example", ["b@c.example"])
    assert told["content"] == "x\r\n"
