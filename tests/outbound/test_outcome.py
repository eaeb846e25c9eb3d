import pytest

from aimx.channel.control import FROM_OUTBOUND, Answered
from aimx.channel.packets import LARGEST
from aimx.outbound.outcome import (
    Attempt,
    Deferred,
    Delivered,
    Failed,
    Outcome,
    Sent,
    Status,
    answer,
)
from aimx.outbound.refusal import Code, NotSent

GOOD = Delivered("mx.c.example", "TLSv1.3", "250 OK")
LATER = Deferred("mx.c.example: 450 Later")
MAYBE = Deferred("mx.c.example: timed out after the message was sent", unanswered=True)
NEVER = Failed("mx.c.example: 550 No")


@pytest.mark.parametrize(
    ("outcomes", "status", "code"),
    [
        pytest.param([GOOD], Status.DELIVERED, None, id="delivered"),
        pytest.param([LATER], Status.DEFERRED, Code.TEMP, id="deferred"),
        pytest.param([LATER, LATER], Status.DEFERRED, Code.TEMP, id="all-deferred"),
        pytest.param([NEVER], Status.FAILED, Code.DELIVERY, id="failed"),
        pytest.param([NEVER, LATER], Status.FAILED, Code.DELIVERY, id="failed-wins"),
        pytest.param([GOOD, LATER], Status.DEFERRED, Code.DELIVERY, id="one-has-it"),
        pytest.param([GOOD, NEVER], Status.FAILED, Code.DELIVERY, id="one-never-gets-it"),
        pytest.param([MAYBE], Status.DEFERRED, Code.DELIVERY, id="perhaps-delivered"),
    ],
)
def test_the_answer_invites_to_repeat_only_what_nobody_has(
    outcomes: list[Outcome], status: Status, code: Code | None
) -> None:
    attempt = Attempt({f"{n}@c.example": outcome for n, outcome in enumerate(outcomes)})

    told = answer(attempt, "a@b")

    assert attempt.status is status
    assert told == (NotSent(code, attempt.details) if code else Sent("<a@b>"))


def test_the_details_name_everybody() -> None:
    attempt = Attempt({"a@c.example": GOOD, "b@c.example": NEVER, "d@c.example": MAYBE})

    assert attempt.details == (
        "a@c.example: delivered to mx.c.example (TLSv1.3): 250 OK;"
        " b@c.example: failed: mx.c.example: 550 No;"
        " d@c.example: deferred, and perhaps delivered:"
        " mx.c.example: timed out after the message was sent"
    )


def test_however_much_hosts_have_said_the_author_gets_an_answer() -> None:
    told = Deferred("mx.c.example: 451 " + "\N{GRINNING FACE}" * 3000)
    attempt = Attempt({f"{n}@c.example": told for n in range(100)})

    refused = answer(attempt, "a@b")

    assert isinstance(refused, NotSent)
    assert refused.reason.startswith("0@c.example: deferred: mx.c.example: 451 ")
    assert len(FROM_OUTBOUND.encode(Answered(1, refused.code.value, refused.reason))) <= LARGEST
