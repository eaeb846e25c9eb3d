"""The loop over a real instance in a directory, with an engine that only remembers."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import watchfiles

from aimx.controller import loop
from aimx.doors.exits import Exit
from aimx.doors.wished import Apply
from reconcilers.consent import Consent
from reconcilers.host.host import provisional


def test_a_new_mailbox_is_there_and_the_engine_knows_it(serving):
    async def scene(served) -> None:
        served.declare("postmaster", "info")

        await served.controller.turn()

        assert served.boxes == served.routes == ["info", "postmaster"]
        assert served.engine.told == ["prepare", "commit"]
        assert served.condition("Converged") == ("True", "")

    serving(scene)


def test_what_is_as_it_should_be_troubles_nobody(serving):
    async def scene(served) -> None:
        await served.controller.turn()
        await served.controller.turn()

        assert served.engine.told == []
        assert served.condition("Converged") == ("True", "")

    serving(scene)


def test_a_broken_manifest_leaves_everything_as_it_is_and_says_so(serving):
    async def scene(served) -> None:
        served.declare("postmaster", "info", top="nonsense = \n")
        await served.controller.turn()

        assert served.condition("ManifestValid") == ("False", "LastGoodGenerationKept")
        assert served.routes == served.boxes == ["postmaster"]

        served.declare("postmaster", "info")
        await served.controller.turn()

        assert served.condition("ManifestValid") == ("True", "")
        assert served.routes == ["info", "postmaster"]

    serving(scene)


def test_a_removal_waits_and_what_was_added_with_it_does_not(serving):
    async def scene(served) -> None:
        served.declare("info")

        await served.controller.turn()

        assert served.boxes == served.routes == ["info", "postmaster"]
        assert served.condition("PendingApproval") == ("True", "RunApprove")
        assert served.condition("Converged") == ("False", "AwaitsApproval")

    serving(scene)


def test_since_when_a_removal_waits_is_told_of_the_first_look(serving):
    async def scene(served) -> None:
        served.declare("info")
        await served.controller.turn()
        before = served.controller.state.conditions

        served.controller.nudge()
        await served.controller.turn()

        assert served.controller.state.conditions == before

    serving(scene)


def test_a_removal_that_somebody_asked_for_is_carried_out(serving):
    async def scene(served) -> None:
        served.declare("info")
        await served.controller.turn()
        waiting = served.review(Consent(removals=1))

        answered = await served.wish(Apply(waiting.id), removals=1)
        await served.controller.turn()

        assert answered.account.summary.is_complete
        assert served.boxes == served.routes == ["info"]
        assert served.condition("PendingApproval") == ("False", "")

    serving(scene)


MANY = [f"box{number}" for number in range(20)]
BROKEN = "".join(f"nonsense{number} = 1\n" for number in range(20))


@pytest.mark.parametrize(
    ("names", "top", "kind", "told"),
    [
        pytest.param(["postmaster"], "", "PendingApproval", "which `aimx plan` shows", id="waits"),
        pytest.param(
            [*MANY, "postmaster"],
            BROKEN,
            "ManifestValid",
            "which `aimx validate` tells",
            id="wrong",
        ),
        pytest.param(
            [*MANY, "postmaster"],
            '[policy]\ndrift = "report"\n',
            "Drifted",
            "which `aimx diff` shows",
            id="drifted",
        ),
        pytest.param(
            [*MANY, "postmaster"],
            '[policy]\ndrift = "report"\n',
            "Converged",
            "which `aimx status --all` lists",
            id="left",
        ),
    ],
)
def test_a_condition_of_thousands_has_a_message_of_some_lines(serving, names, top, kind, told):
    async def scene(served) -> None:
        served.declare("postmaster", *MANY)
        await served.controller.turn()
        for name in MANY:
            (served.base / "data/example.com/inbox" / name).chmod(0o755)

        served.declare(*names, top=top)
        await served.controller.turn()

        assert told in served.controller.state.conditions.by_type[kind].message

    serving(scene)


def test_a_plan_that_no_longer_fits_is_not_carried_out(serving):
    async def scene(served) -> None:
        served.declare("postmaster", "info")
        seen = served.review()
        served.declare("postmaster", "info", "more")

        answered = await served.wish(Apply(seen.id))

        assert answered.answer.exit == Exit.STALE
        assert served.boxes == ["postmaster"]

    serving(scene)


def test_where_nothing_is_applied_by_itself_it_is_shown(serving):
    async def scene(served) -> None:
        served.declare("postmaster", "info", top='[controller]\nauto_apply = "none"\n')

        await served.controller.turn()

        assert served.boxes == ["postmaster"]
        assert served.condition("PendingApproval") == ("True", "RunApprove")

    serving(scene)


@pytest.mark.parametrize(("policy", "mode"), [("repair", 0o700), ("report", 0o777)])
def test_drift_is_repaired_or_only_reported(serving, policy, mode):
    async def scene(served) -> None:
        served.declare("postmaster", top=f'[policy]\ndrift = "{policy}"\n')
        await served.controller.turn()
        box = served.base / "data/example.com/inbox/postmaster"
        box.chmod(0o777)

        served.controller.nudge()
        await served.controller.turn()

        assert box.stat().st_mode & 0o777 == mode
        assert served.condition("Drifted")[0] == ("False" if policy == "repair" else "True")
        told = ("True", "") if policy == "repair" else ("False", "DriftReported")
        assert served.condition("Converged") == told

    serving(scene)


def test_drift_that_is_only_reported_stays_when_something_else_is_applied(serving):
    async def scene(served) -> None:
        served.declare("postmaster", top='[policy]\ndrift = "report"\n')
        await served.controller.turn()
        box = served.base / "data/example.com/inbox/postmaster"
        box.chmod(0o777)

        served.declare("postmaster", "info", top='[policy]\ndrift = "report"\n')
        await served.controller.turn()

        assert served.routes == ["info", "postmaster"]
        assert box.stat().st_mode & 0o777 == 0o777
        assert served.condition("Drifted")[0] == "True"

    serving(scene)


def test_what_the_engine_refuses_never_becomes_its_config(serving):
    async def scene(served) -> None:
        config = served.base / "config" / "config.toml"
        before = config.read_bytes()
        served.engine.refusal = "inbound cannot run on it"
        served.declare("postmaster", "info")

        await served.controller.turn()

        assert config.read_bytes() == before
        assert served.condition("Converged") == ("False", "ApplyFailed")

        served.engine.refusal = ""
        served.controller.nudge()
        await served.controller.turn()

        assert served.routes == ["info", "postmaster"]

    serving(scene)


def test_leaving_ends_an_apply_with_the_step_in_hand(serving):
    async def scene(served) -> None:
        config = served.base / "config" / "config.toml"
        before = config.read_bytes()
        served.declare("postmaster", "info")
        served.engine.answering.clear()
        running = asyncio.create_task(served.controller.run(0.05))
        await served.engine.asked.wait()

        running.cancel()
        await asyncio.sleep(0)
        served.engine.answering.set()
        await asyncio.gather(running, return_exceptions=True)

        assert served.engine.told == ["prepare", "drop"]
        assert config.read_bytes() == before
        assert ended(served.base) == {"event": "end", "synced": False}

    serving(scene)


def test_the_watchdog_is_fed_by_every_turn_that_ends(serving):
    async def scene(served) -> None:
        await served.controller.turn()
        assert served.beats == ["beat", "settled"]

        (served.base / "config" / "manifest.toml").unlink()
        await served.controller.turn()
        assert served.beats == ["beat", "settled"] * 2

    serving(scene)


def test_the_watchdog_is_fed_by_every_step_of_an_apply_that_takes_long(serving):
    async def scene(served) -> None:
        served.declare("postmaster", "info")

        await served.controller.turn()

        assert served.beats.count("beat") > 3
        assert served.beats[-2:] == ["beat", "settled"]

    serving(scene)


def test_a_turn_that_hangs_starves_the_watchdog(serving):
    async def scene(served) -> None:
        served.declare("postmaster", "info")
        served.engine.answering.clear()
        running = asyncio.create_task(served.controller.run(0.05))
        await served.engine.asked.wait()
        await asyncio.sleep(0)
        before = len(served.beats)

        await asyncio.sleep(10 * served.controller.pulse.every)
        assert len(served.beats) == before

        served.engine.answering.set()
        while "settled" not in served.beats:
            await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    serving(scene)


def test_nothing_to_do_feeds_the_watchdog_in_time(serving):
    async def scene(served) -> None:
        running = asyncio.create_task(served.controller.run(0.05))

        while served.beats.count("settled") < 5:
            await asyncio.sleep(0.01)

        assert served.engine.told == []
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    serving(scene)


def test_a_hint_that_comes_during_a_turn_is_not_settled_by_it(serving):
    async def scene(served) -> None:
        served.controller.nudge()
        await served.controller.turn()

        assert served.beats == ["beat"]

    serving(scene)


def test_the_certificate_is_looked_at_where_the_manifest_is_invalid(serving):
    async def scene(served) -> None:
        served.declare("postmaster", top="nonsense = \n")
        tls = served.base / "config" / "tls"
        (tls / "cert.pem").write_bytes((tls / "cert.pem").read_bytes() + b"\n")

        await served.controller.turn()

        assert served.engine.told == ["prepare", "commit"]
        assert served.condition("ManifestValid")[0] == "False"

    serving(scene)


def test_how_long_a_burst_of_edits_may_last_is_as_the_manifest_says_by_now(serving):
    async def scene(served) -> None:
        running = asyncio.create_task(served.controller.run(0.05))
        while not served.beats:
            await asyncio.sleep(0.01)

        served.declare("postmaster", top='[controller]\ndebounce = "250ms"\n')

        async with asyncio.timeout(60):
            while served.controller.watch.debounce != 0.25:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    serving(scene)


def test_what_no_event_tells_is_applied_at_the_next_look(serving, monkeypatch):
    def refused(*paths: str, **options: object) -> None:
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr(watchfiles, "awatch", refused)

    async def scene(served) -> None:
        served.declare("postmaster", top='[controller]\nresync = "1s"\n')
        running = asyncio.create_task(served.controller.run(0.05))
        while not served.beats:
            await asyncio.sleep(0.01)

        served.declare("postmaster", "info")

        async with asyncio.timeout(60):
            while served.routes != ["info", "postmaster"]:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    serving(scene)


def test_a_generation_that_could_not_be_put_on_record_is_once_it_can(serving):
    async def scene(served) -> None:
        record = served.base / "data/.aimx/generations/2"
        served.declare("postmaster", "info")
        served.fail(f"generations/{provisional('2')}")

        await served.controller.turn()

        assert (served.routes, record.exists()) == (["info", "postmaster"], False)
        assert served.condition("Converged") == ("False", "ApplyFailed")
        assert served.controller.next_look() <= 1.0

        served.fail("")
        served.controller.nudge()
        await served.controller.turn()

        assert record.exists()
        assert served.condition("Converged") == ("True", "")

    serving(scene)


@pytest.fixture
def standing(monkeypatch):
    """The clock that waits are reckoned by stands still."""
    monkeypatch.setattr(loop, "_now", lambda: 1000.0)


@pytest.mark.usefixtures("standing")
def test_what_fails_again_and_again_is_tried_less_and_less_often(serving):
    async def scene(served) -> None:
        waits = await failing(served, 6)

        assert 0.5 <= waits[0] <= 1.0
        assert 16.0 <= waits[-1] <= 32.0

    serving(scene)


@pytest.mark.usefixtures("standing")
def test_what_worked_meanwhile_is_tried_again_soon(serving):
    async def scene(served) -> None:
        await failing(served, 6)
        served.engine.refusal = ""
        served.controller.nudge()
        await served.controller.turn()
        served.declare("postmaster", "info", "more")

        assert (await failing(served, 1))[0] <= 1.0

    serving(scene)


async def failing(served, turns: int) -> list[float]:
    """How long the next try is off, in seconds, after each of so many refusals by the engine."""
    served.engine.refusal = "inbound cannot run on it"
    served.declare("postmaster", "info", *(["more"] if "info" in served.routes else []))
    waits = []
    for _ in range(turns):
        served.controller.nudge()
        await served.controller.turn()
        waits.append(served.controller.next_look())
    return waits


def ended(base: Path) -> dict[str, object]:
    """The last line of the latest journal."""
    lines = (base / "data/.aimx/journal/2.jsonl").read_text().splitlines()
    return {key: value for key, value in json.loads(lines[-1]).items() if key != "at"}
