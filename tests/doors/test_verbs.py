"""What a verb does before anybody else is asked."""

import asyncio
from dataclasses import dataclass, field

import pytest

from aimx.doors.authorize import Caller
from aimx.doors.socket import frames
from aimx.doors.socket.frames import Code, FrameError
from aimx.doors.socket.submission import Declined, Permission, Steered, Steering
from aimx.doors.socket.verbs import Verbs
from aimx.doors.wish import Wish


class Nobody:
    """Is never asked."""


def answer(head: bytes, *, uid: int = 1000, body: int = -1) -> bytes:
    verbs = Verbs(administrator=0, version="1.2.3", administration=Nobody(), outbound=Nobody())
    request = frames.parse(head.removesuffix(b"\n").split(b"\n"))
    return asyncio.run(verbs.answer(request, Caller(uid, uid, 1), body))


def test_a_send_without_a_message_is_malformed():
    with pytest.raises(FrameError, match="SEND comes with a message") as refused:
        answer(b"AIMX/1 SEND\nContent-Length: 0\n")

    assert refused.value.code is Code.MALFORMED


ADMINISTRATIVE = (
    *(b"PLAN", b"APPLY", b"GRAPH", b"DIFF", b"HISTORY", b"EXPLAIN\nAddress: layout"),
    *(b"ROLLBACK", b"SUSPEND\nFor: 2h", b"RESUME", b"APPROVE\nPlan: 0123456789abcdef"),
    *(b"TOMBSTONES\nDo: list", b"LIST\nOf: domains", b"MAILBOX-CREATE\nName: x\nOwner: y"),
    *(b"DOMAIN-ADD\nDomain: b.example", b"DOMAIN-REMOVE\nDomain: b.example\nForce: true"),
    *(b"MAILBOX-DELETE\nName: x", b"HOOK-DELETE\nHook-Name: x"),
)


@pytest.mark.parametrize("verb", ADMINISTRATIVE)
@pytest.mark.parametrize("header", [b"", b"Manifest: /etc/shadow\n", b"Format: nonsense\n"])
def test_who_may_not_administer_learns_nothing_else(verb, header):
    assert answer(b"AIMX/1 " + verb + b"\n" + header) == frames.error(Code.EACCES, "not authorized")


class Elsewhere:
    """An administration that serves other directories, and is asked nothing else."""

    def check(self, wish: Wish) -> None:
        raise FrameError(Code.ECONFLICT, "this daemon's data-dir is /b")


@dataclass
class Queue:
    """The outbound side, with one message of a mailbox of uid 1000."""

    asked: list[Steering] = field(default_factory=list)

    async def steer(self, steering: Steering, permission: Permission) -> Steered | Declined:
        self.asked.append(steering)
        if steering.name and not permission(1000 if steering.name == "1f" else None):
            return Declined(Code.ENOENT, f"message '{steering.name}' does not exist")
        return Steered({"messages": []})


class Here(Elsewhere):
    def check(self, wish: Wish) -> None:
        pass


def queue(head: bytes, *, uid: int = 1000, administration: object = None) -> tuple[bytes, Queue]:
    outbound = Queue()
    verbs = Verbs(
        administrator=0,
        version="1",
        administration=administration or Here(),
        outbound=outbound,
    )
    request = frames.parse(b"".join((b"AIMX/1 QUEUE\n", head)).split(b"\n"))
    return asyncio.run(verbs.answer(request, Caller(uid, uid, 1), -1)), outbound


@pytest.mark.parametrize(
    ("uid", "head", "asked"),
    [
        pytest.param(0, b"Do: list", Steering("list", "", None), id="root-sees-all"),
        pytest.param(1000, b"Do: list", Steering("list", "", 1000), id="others-see-theirs"),
        pytest.param(1000, b"Do: retry", Steering("retry", "", 1000), id="others-move-theirs"),
        pytest.param(1000, b"Do: hold\nName: 1f", Steering("hold", "1f", 1000), id="one"),
    ],
)
def test_the_queue_is_asked_for_what_is_the_callers(uid, head, asked):
    reply, outbound = queue(head, uid=uid)

    assert reply == frames.ok_json({"messages": []})
    assert outbound.asked == [asked]


@pytest.mark.parametrize("does", [b"show", b"hold", b"release", b"retry", b"cancel"])
def test_a_message_of_somebody_else_is_answered_as_one_that_is_not_there(does):
    foreign, _ = queue(b"Do: %s\nName: 1f" % does, uid=1001)
    missing, _ = queue(b"Do: %s\nName: 2e" % does, uid=1001)

    assert foreign.replace(b"1f", b"2e") == missing


@pytest.mark.parametrize(
    "head",
    [
        *(b"Do: list\nName: 1f", b"Do: show", b"Do: hold", b"Do: release", b"Do: cancel"),
        b"Do: flush",
    ],
)
def test_a_wish_that_makes_no_sense_is_malformed(head):
    with pytest.raises(FrameError, match="do must be list or retry, or show") as refused:
        queue(head)

    assert refused.value.code is Code.MALFORMED


def test_the_queue_of_another_instance_is_not_asked():
    with pytest.raises(FrameError) as refused:
        queue(b"Do: list\nData-Dir: /a", administration=Elsewhere())

    assert refused.value.code is Code.ECONFLICT


def test_anybody_may_ask_for_the_version():
    assert answer(b"AIMX/1 VERSION\n") == frames.ok_json({"tag": "1.2.3"})


@pytest.mark.parametrize("verb", [b"DOMAIN-LIST", b"MAILBOX-LIST", b"HOOK-LIST"])
def test_who_may_not_administer_is_told_of_no_list(verb):
    assert answer(b"AIMX/1 " + verb + b"\n") == frames.error(Code.EACCES, "not authorized")
