"""What somebody says about applying holds, for the loop too: pins, suspensions, approvals."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from aimx.controller import intents
from aimx.controller.pinned import Back
from aimx.controller.refusal import PinError
from aimx.controller.state import State
from aimx.doors.exits import Exit
from aimx.doors.wish import Intent
from aimx.doors.wished import Apply
from desired import engine_config
from reconcilers import generations
from reconcilers.consent import Consent
from reconcilers.generations import Rollback
from reconcilers.intents import Pin, Suspension
from reconcilers.records import unsealed


def suspension(served, hours: int = 2) -> Suspension:
    now = served.instance.host.now()
    until, since = now + timedelta(hours=hours), now - timedelta(days=1)
    return Suspension(until, "the mail moves house", 0, since)


def suspend(served, said: Suspension) -> None:
    """As the socket's verb does."""
    intents.suspend(served.instance, said)
    served.controller.nudge()


async def gone_back(served, number: int | None = None, removals: int = 5) -> Pin:
    """As whoever has seen the plan says it."""
    back = intents.way_back(served.instance, Back(0, number))
    plan = served.review(Consent(removals), back).id
    answered = await served.wish(Intent("ROLLBACK", plan, number, "", "it eats mail"), removals)
    assert answered.account.summary.is_complete
    pin = served.instance.intents().pin
    assert isinstance(pin, Pin)
    return pin


def test_what_is_rolled_back_stays_so_whatever_the_manifest_says(serving):
    async def scene(served) -> None:
        served.declare("postmaster", "info")
        await served.controller.turn()

        await gone_back(served)
        served.declare("postmaster", "info", "more")
        await served.controller.turn()
        await served.controller.turn()

        assert served.routes == served.boxes == ["postmaster"]
        assert served.condition("Converged") == ("True", "")
        pin = served.controller.state.document(daemon=True)["pin"]
        assert (pin["generation"], pin["former"], pin["reason"]) == (1, 2, "it eats mail")
        assert pin["manifest_changed"]

    serving(scene)


def test_a_rollback_is_a_generation_that_knows_what_it_is(serving):
    async def scene(served) -> None:
        served.declare("postmaster", "info")
        await served.controller.turn()

        pin = await gone_back(served, 1)

        about = generations.about(served.instance.host, served.instance.roots, 3)
        assert about.rollback == Rollback(2, 1, "it eats mail", pin.until)
        loaded = generations.load(served.instance.host, served.instance.roots, 3)
        assert loaded is not None
        assert loaded.rollback == about.rollback

    serving(scene)


def test_after_a_rollback_nothing_is_left_to_do(serving):
    async def scene(served) -> None:
        served.declare("postmaster", "info")
        await served.controller.turn()
        await gone_back(served)

        assert served.review().plan.is_empty

    serving(scene)


def test_a_lifted_pin_puts_the_manifest_on_disk_in_force(serving):
    async def scene(served) -> None:
        served.declare("postmaster", "info")
        await served.controller.turn()
        pin = await gone_back(served)

        lifted = await served.wish(Intent("RESUME"))
        await served.controller.turn()

        assert f"The pin of generation {pin.generation} is lifted" in lifted.answer.output
        assert served.routes == ["info", "postmaster"]
        assert served.controller.state.document(daemon=True)["pin"] is None

    serving(scene)


def test_back_twice_is_two_back_and_not_there_and_back(serving):
    async def scene(served) -> None:
        for more in (["info"], ["info", "more"]):
            served.declare("postmaster", *more)
            await served.controller.turn()

        first = await gone_back(served)
        second = await gone_back(served)

        assert (first.generation, second.generation) == (2, 1)
        assert served.routes == ["postmaster"]

    serving(scene)


def test_a_move_since_is_inverted_and_the_mail_comes_back(serving):
    async def scene(served) -> None:
        kept = served.base / "data/example.com/inbox/postmaster/kept.md"
        kept.write_text("mail")
        block = (
            '[[moved]]\nfrom = "mailbox/postmaster@example.com"\nto = "mailbox/{}@example.com"\n'
        )
        served.declare("info", top=block.format("info"))
        await served.controller.turn()
        assert served.routes == ["info"]

        await gone_back(served)
        await served.controller.turn()

        assert kept.read_text() == "mail"
        assert served.routes == served.boxes == ["postmaster"]
        plan = served.review().plan
        assert plan.is_empty
        assert plan.notes == ()

    serving(scene)


@pytest.mark.parametrize(
    ("number", "told"), [(9, "generation 9 is not on record"), (None, "no generation before 1")]
)
def test_a_generation_that_is_not_there_cannot_be_gone_back_to(serving, number, told):
    async def scene(served) -> None:
        with pytest.raises(PinError, match=told):
            intents.way_back(served.instance, Back(0, number))

        assert served.instance.intents().pin is None

    serving(scene)


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        pytest.param("record.json", b"{", "generation 1 is damaged", id="record"),
        pytest.param("sources/1-manifest.toml", b"domains =", "is invalid today", id="manifest"),
        pytest.param(
            "sources/1-manifest.toml",
            b'domains = ["example.com"]\n[mailboxes."a@example.com"]\nowner = "aimx-gone"\n',
            "there is no user aimx-gone any more",
            id="owner",
        ),
    ],
)
def test_a_generation_that_is_no_good_today_changes_nothing(serving, file, content, told):
    async def scene(served) -> None:
        kept = served.base / "data/.aimx/generations/1"
        # As before a record said what its files were.
        said = unsealed((kept / "record.json").read_bytes())
        (kept / "record.json").write_text(json.dumps({**said, "files": {}}))
        (kept / file).write_bytes(content)

        with pytest.raises(PinError, match=told):
            intents.way_back(served.instance, Back(0, 1))

        assert served.instance.intents().pin is None

    serving(scene)


def test_a_rollback_that_the_engine_refuses_pins_nothing(serving):
    async def scene(served) -> None:
        served.declare("postmaster", "info")
        await served.controller.turn()
        served.engine.refusal = "inbound cannot run on it"
        plan = served.review(Consent(5), intents.way_back(served.instance, Back(0, 1))).id

        answered = await served.wish(Intent("ROLLBACK", plan, 1), removals=5)

        assert not answered.account.summary.is_complete
        assert served.instance.intents().pin is None

    serving(scene)


def test_the_pinned_generation_outlives_those_that_are_discarded(serving):
    async def scene(served) -> None:
        few = "[policy]\nkeep_generations = 1\n"
        host, roots = served.instance.host, served.instance.roots
        await gone_back(served, 1)
        served.declare("postmaster", "info", top=few)

        generations.discard(host, roots, 1, pinned=1)

        assert 1 in generations.numbers(host, roots)

    serving(scene)


def test_a_broken_manifest_does_not_keep_a_pinned_one_from_being_held(serving):
    async def scene(served) -> None:
        await gone_back(served, 1)
        served.declare("postmaster", top="nonsense = \n")
        box = served.base / "data/example.com/inbox/postmaster"
        box.chmod(0o777)

        await served.controller.turn()

        assert served.condition("ManifestValid")[0] == "False"
        assert served.condition("Converged") == ("True", "")
        assert box.stat().st_mode & 0o777 == 0o700

    serving(scene)


def test_a_damaged_pin_stops_applying_and_says_the_way_out(serving):
    async def scene(served) -> None:
        (served.base / "data/.aimx/pin.json").write_text("{")
        served.declare("postmaster", "info")

        await served.controller.turn()

        assert served.routes == ["postmaster"]
        assert served.condition("Suspended") == ("True", "Unreadable")
        assert served.condition("Converged")[0] == "False"

        await served.wish(Intent("RESUME"))
        await served.controller.turn()
        assert served.routes == ["info", "postmaster"]

    serving(scene)


def test_while_suspended_nothing_is_applied_and_what_would_be_is_shown(serving):
    async def scene(served) -> None:
        suspend(served, suspension(served))
        served.declare("postmaster", "info")

        await served.controller.turn()

        assert served.routes == ["postmaster"]
        assert served.condition("Suspended") == ("True", "AskedFor")
        assert served.condition("Converged") == ("False", "ChangesPending")

    serving(scene)


def test_what_somebody_applies_while_suspended_is_applied(serving):
    async def scene(served) -> None:
        suspend(served, suspension(served))
        served.declare("postmaster", "info")

        await served.wish(Apply(None))
        await served.controller.turn()

        assert served.routes == ["info", "postmaster"]
        assert served.condition("Suspended")[0] == "True"

    serving(scene)


@pytest.mark.parametrize("ending", ["resumed", "over"])
def test_a_suspension_ends_when_it_is_over_or_somebody_says_so(serving, ending):
    async def scene(served) -> None:
        suspend(served, suspension(served))
        served.declare("postmaster", "info")
        await served.controller.turn()

        if ending == "resumed":
            await served.wish(Intent("RESUME"))
        else:
            suspend(served, suspension(served, hours=-1))
        await served.controller.turn()

        assert served.routes == ["info", "postmaster"]
        assert served.condition("Suspended") == ("False", "")

    serving(scene)


def test_the_loop_looks_again_when_a_suspension_ends(serving):
    async def scene(served) -> None:
        now = served.instance.host.now()
        soon = Suspension(now + timedelta(seconds=2), "", 0, now)
        suspend(served, soon)
        served.declare("postmaster", "info")

        await served.controller.turn()

        assert served.controller.next_look() <= 2.0

    serving(scene)


def test_approving_the_plan_that_waits_carries_out_exactly_that(serving):
    async def scene(served) -> None:
        served.declare("info")
        await served.controller.turn()
        waiting = served.controller.state.pending_plan

        await served.wish(Intent("APPROVE", waiting[7:23]))
        await served.controller.turn()

        assert served.boxes == served.routes == ["info"]
        assert served.condition("PendingApproval") == ("False", "")
        assert served.controller.state.pending_plan == ""

    serving(scene)


def test_a_plan_that_waits_no_more_is_not_carried_out(serving):
    async def scene(served) -> None:
        served.declare("info")
        await served.controller.turn()
        waiting = served.controller.state.pending_plan
        served.declare("info", "more")

        answered = await served.wish(Intent("APPROVE", waiting))

        assert answered.answer.exit == Exit.STALE
        assert "postmaster" in served.boxes

    serving(scene)


def test_where_the_guard_refuses_the_plan_can_be_approved(serving):
    async def scene(served) -> None:
        names = [f"box{number}" for number in range(8)]
        served.declare("postmaster", *names)
        await served.controller.turn()
        served.declare("postmaster")
        await served.controller.turn()
        assert served.routes == sorted([*names, "postmaster"])

        await served.wish(Intent("APPROVE", served.controller.state.pending_plan))

        assert served.routes == ["postmaster"]

    serving(scene)


def test_where_nothing_is_applied_by_itself_it_can_be_approved(serving):
    async def scene(served) -> None:
        served.declare("postmaster", "info", top='[controller]\nauto_apply = "none"\n')
        await served.controller.turn()

        await served.wish(Intent("APPROVE", served.controller.state.pending_plan))

        assert served.routes == ["info", "postmaster"]

    serving(scene)


def test_what_fails_waits_alone_and_the_others_are_applied(serving):
    async def scene(served) -> None:
        served.fail("inbox/bad")
        served.declare("postmaster", "bad", "info")

        await served.controller.turn()
        await served.controller.turn()

        assert "info" in served.boxes
        assert "info" in served.routes
        assert served.condition("Converged") == ("False", "Blocked")
        results = served.controller.state.document(daemon=True)["results"]
        assert results["mailbox/bad@example.com"]["outcome"] == "failed"
        assert results["mailbox/bad@example.com"]["next_retry"]
        assert results["mailbox/info@example.com"]["outcome"] == "done"

    serving(scene)


def test_what_waits_is_not_tried_before_its_time(serving):
    async def scene(served) -> None:
        served.fail("inbox/bad")
        served.declare("postmaster", "bad")
        await served.controller.turn()
        await served.controller.turn()
        tried = served.host.tries

        served.controller.nudge()
        await served.controller.turn()

        assert served.host.tries == tried

    serving(scene)


def test_a_newer_manifest_cancels_waiting(serving):
    async def scene(served) -> None:
        served.fail("inbox/bad")
        served.declare("postmaster", "bad")
        await served.controller.turn()
        await served.controller.turn()
        served.fail("")

        served.declare("postmaster", "bad", "info")
        await served.controller.turn()

        assert served.boxes == ["bad", "info", "postmaster"]
        assert served.condition("Converged") == ("True", "")

    serving(scene)


def test_since_when_a_condition_holds_outlives_the_daemon(serving):
    async def scene(served) -> None:
        await served.controller.turn()
        before = served.controller.state.conditions.documents()

        state = State.after(served.instance)
        state.conditions = state.conditions.told(
            "Converged", "True", served.instance.host.now() + timedelta(hours=1)
        )

        assert state.conditions.documents() == [
            each for each in before if each["type"] == "Converged"
        ]

    serving(scene)


def test_what_was_applied_last_outlives_the_daemon(serving):
    async def scene(served) -> None:
        state = State.after(served.instance)

        head = engine_config.header(served.config)
        assert (state.generation, state.last_applied) == (1, head.digest)

    serving(scene)


def test_a_status_that_cannot_be_written_stops_nobody(serving):
    async def scene(served) -> None:
        (served.base / "data/.aimx/status.json").mkdir()
        served.declare("postmaster", "info")

        await served.controller.turn()

        assert served.routes == ["info", "postmaster"]

    serving(scene)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"conditions": [{"type": 3}, 4]}', '"x"'])
def test_a_damaged_status_is_none(serving, content):
    async def scene(served) -> None:
        (served.base / "data/.aimx/status.json").write_text(content)

        assert State.after(served.instance).conditions.documents() == []

    serving(scene)
