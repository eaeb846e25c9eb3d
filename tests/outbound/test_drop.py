import asyncio
from datetime import datetime
from pathlib import Path

from aimx.outbound.delivery import Outgoing
from aimx.outbound.drop import MailDrop
from aimx.outbound.outcome import Delivered

MESSAGE = Outgoing(
    "info@a.example", ("b@c.example", "d@c.example"), b"Subject: x\r\n\r\nhi\r\n", "a@b"
)


def test_a_message_becomes_one_whole_file(tmp_path: Path, now: datetime) -> None:
    attempt = asyncio.run(MailDrop(tmp_path, lambda: now).deliver(MESSAGE))

    (path,) = tmp_path.iterdir()
    assert path.name == "2026-01-02T030405.000000Z-7508d8b5018ea640.eml"
    assert path.read_bytes() == MESSAGE.content
    assert attempt.outcomes == dict.fromkeys(
        MESSAGE.recipients, Delivered(host=str(tmp_path), reply=path.name)
    )
