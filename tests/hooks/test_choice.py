import pytest

from aimx.hooks.automated import automation
from aimx.hooks.choice import Choice, Quiet, choose
from aimx.mail import header
from aimx.snapshot import Hook

TRUSTING = Hook("careful", "on_receive")
UNTRUSTING = Hook("any", "on_receive", fire_on_untrusted=True)
PEOPLE = Hook("people", "on_receive", fire_on_untrusted=True, fire_on_automated=False)


@pytest.mark.parametrize(
    ("trusted", "fires"),
    [("true", ("careful", "any")), ("false", ("any",)), ("none", ("any",))],
)
def test_trust_decides_which_hooks_fire(trusted: str, fires: tuple[str, ...]) -> None:
    assert choose([TRUSTING, UNTRUSTING], trusted, "no reason", "").fires == fires


def test_a_hook_that_stays_quiet_has_the_reason() -> None:
    found = choose([TRUSTING, PEOPLE], "false", "It has no DKIM signature.", "it is a bounce")

    assert found == Choice(
        (),
        (
            Quiet("careful", "the message is not trusted: It has no DKIM signature."),
            Quiet("people", "the message is automated: it is a bounce"),
        ),
    )


def test_automated_mail_fires_a_hook_that_does_not_exclude_it() -> None:
    assert choose([UNTRUSTING], "true", "", "it is a bounce").fires == ("any",)


@pytest.mark.parametrize(
    ("field", "sender", "is_automated"),
    [
        pytest.param(b"", "a@example.org", False, id="person"),
        pytest.param(b"", "", True, id="bounce"),
        pytest.param(b"Auto-Submitted: no", "a@example.org", False, id="said-to-be-a-person"),
        pytest.param(b"Auto-Submitted: NO; x=y", "a@example.org", False, id="with-parameters"),
        pytest.param(b"Auto-Submitted: auto-replied", "a@example.org", True, id="answer"),
        pytest.param(b"Auto-Submitted: auto-generated; x", "a@example.org", True, id="generated"),
        pytest.param(b"Auto-Submitted: whatever", "a@example.org", True, id="unknown-keyword"),
        pytest.param(b"List-Id: <x.example>", "a@example.org", True, id="list"),
        pytest.param(b"List-Unsubscribe: <mailto:x@y>", "a@example.org", True, id="newsletter"),
        pytest.param(b"Precedence: Bulk", "a@example.org", True, id="bulk"),
        pytest.param(b"Precedence: first-class", "a@example.org", False, id="not-bulk"),
    ],
)
def test_automated_mail_is_known_by_what_it_says(
    field: bytes, sender: str, is_automated: bool
) -> None:
    fields = header.read(b"Subject: x\r\n" + field + (b"\r\n" if field else b"") + b"\r\n")

    assert bool(automation(fields, sender)) == is_automated
