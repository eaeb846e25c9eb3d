"""What a verb does before anybody else is asked."""

import asyncio

import pytest

from aimx.doors.authorize import Caller
from aimx.doors.socket import frames
from aimx.doors.socket.frames import Code, FrameError
from aimx.doors.socket.verbs import Verbs


class Nobody:
    """Is never asked."""


def answer(head: bytes, *, uid: int = 1000, body: int = -1) -> bytes:
    verbs = Verbs(administrator=0, version="1.2.3", administration=Nobody(), submission=Nobody())
    request = frames.parse(head.removesuffix(b"\n").split(b"\n"))
    return asyncio.run(verbs.answer(request, Caller(uid, uid, 1), body))


def test_a_send_without_a_message_is_malformed():
    with pytest.raises(FrameError, match="SEND comes with a message") as refused:
        answer(b"AIMX/1 SEND\nContent-Length: 0\n")

    assert refused.value.code is Code.MALFORMED


ADMINISTRATIVE = (
    *(b"PLAN", b"APPLY", b"GRAPH", b"DIFF", b"HISTORY", b"EXPLAIN\nAddress: layout"),
    *(b"ROLLBACK", b"SUSPEND\nFor: 2h", b"RESUME", b"APPROVE\nPlan: 0123456789abcdef"),
    b"TOMBSTONES\nDo: list",
)


@pytest.mark.parametrize("verb", ADMINISTRATIVE)
@pytest.mark.parametrize("header", [b"", b"Manifest: /etc/shadow\n", b"Format: nonsense\n"])
def test_who_may_not_administer_learns_nothing_else(verb, header):
    assert answer(b"AIMX/1 " + verb + b"\n" + header) == frames.error(Code.EACCES, "not authorized")


def test_anybody_may_ask_for_the_version():
    assert answer(b"AIMX/1 VERSION\n") == frames.ok_json({"tag": "1.2.3"})
