"""The data directory is gone, perhaps with its disk: nothing is made on the disk below."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from aimx.controller import intents
from aimx.controller.alone import Alone
from aimx.controller.amendments import CreateMailbox
from aimx.controller.turn import Turn
from aimx.controller.watched import Watched
from aimx.doors.exits import Exit
from aimx.doors.wish import Errand, Intent, Wish
from aimx.doors.wished import Apply, Look, Tombstones, Wished
from aimx.snapshot import Snapshot
from desired.problem import digest
from reconcilers.consent import Consent
from reconcilers.generations import Who
from reconcilers.intents import Suspension
from reconcilers.state import GoneError

ME = Who(0, "root", "watch")


def unmounted(served) -> Path:
    """Gives where the disk is by now."""
    data, away = served.base / "data", served.base / "away"
    data.rename(away)
    data.mkdir()
    return away


def mounted(served, away: Path) -> None:
    data = served.base / "data"
    data.rmdir()
    away.rename(data)


def suspension(served) -> Suspension:
    now = served.instance.host.now()
    return Suspension(now + timedelta(hours=1), "a test", 0, now)


@pytest.mark.parametrize("likely", [False, True], ids=["a look", "after an edit"])
@pytest.mark.parametrize(
    "top",
    ["", '[policy]\ndrift = "report"\n', '[controller]\nauto_apply = "none"\n', "nonsense = 1\n"],
    ids=["usual", "report", "none", "broken"],
)
def test_nothing_is_made_by_itself_and_that_is_told(serving, top, likely):
    async def scene(served) -> None:
        served.declare("postmaster", "info", top=top)
        unmounted(served)

        job = Turn(ME, digest(served.instance.sources()), {}, likely=likely)
        found = await served.controller.planner.do(job)

        assert found.hindrance == "DataGone"
        assert f"{served.base}/data: nothing of generation 1 is there" in found.failure
        assert "`aimx apply`" in found.failure
        assert list((served.base / "data").iterdir()) == []
        assert served.engine.told == ["prepare", "commit"]
        told = Snapshot.from_bytes(served.engine.committed.told)
        assert [route.uid for route in told.routes.values()] == [None]  # Its mail is put off.

    serving(scene)


def test_once_the_disk_is_back_the_loop_goes_on_at_the_next_hint(serving):
    async def scene(served) -> None:
        await served.controller.turn()
        away = unmounted(served)
        served.declare("postmaster", "info")
        await served.controller.turn()
        assert served.condition("Converged") == ("False", "DataGone")

        mounted(served, away)
        await served.controller.turn()

        assert served.condition("Converged") == ("True", "")
        assert served.boxes == ["info", "postmaster"]

    serving(scene)


def test_a_disk_that_goes_is_noticed_though_nothing_else_changed(serving):
    async def scene(served) -> None:
        await served.controller.turn()

        unmounted(served)
        await served.controller.turn()

        assert served.condition("Converged") == ("False", "DataGone")

    serving(scene)


def test_a_suspension_that_lies_there_holds_as_before(serving):
    async def scene(served) -> None:
        intents.suspend(served.instance, suspension(served))
        await served.controller.turn()
        away = unmounted(served)
        await served.controller.turn()
        assert served.condition("Suspended") == ("True", "AskedFor")
        mounted(served, away)
        served.declare("postmaster", "info")

        await served.controller.turn()

        assert served.condition("Suspended") == ("True", "AskedFor")
        assert served.boxes == ["postmaster"]

    serving(scene)


@pytest.mark.parametrize(
    "does",
    [
        lambda served: intents.suspend(served.instance, suspension(served)),
        lambda served: intents.resume(served.instance, replace(ME, origin="aimx resume")),
        lambda served: served.instance.apply(
            None, Alone(served.instance.host, served.instance.roots), ME, Consent(), Watched()
        ),
    ],
    ids=["suspend", "resume", "apply"],
)
@pytest.mark.parametrize("left", [[], [".aimx"]], ids=["nothing", "what a lock made"])
def test_nothing_else_makes_it_anew(serving, does, left):
    async def scene(served) -> None:
        unmounted(served)
        for name in left:
            (served.base / "data" / name).mkdir()

        with pytest.raises(GoneError):
            does(served)

        assert [each.name for each in (served.base / "data").rglob("*")] == left

    serving(scene)


@pytest.mark.parametrize("about", [Look(), Apply(None)], ids=["shown", "applied"])
def test_an_edit_is_refused_and_the_manifest_stays_as_it_is(serving, about):
    async def scene(served) -> None:
        unmounted(served)
        before = (served.base / "config/manifest.toml").read_text()
        created = CreateMailbox("info@example.com", served.owner)

        wished = Wished(Wish(amendment=created), about, ME.uid, ME.account)
        ended = (await served.controller.change(wished)).answer

        assert (ended.exit, ended.refusal) == (Exit.REFUSED, True)
        assert (served.base / "config/manifest.toml").read_text() == before
        assert list((served.base / "data").iterdir()) == []

    serving(scene)


@pytest.mark.parametrize(
    "about", [Intent("ROLLBACK", generation=1), Tombstones(Errand("purge", "info@example.com"))]
)
def test_what_is_looked_for_there_is_not_called_unknown(serving, about):
    async def scene(served) -> None:
        unmounted(served)

        ended = (await served.wish(about)).answer

        assert (ended.exit, ended.refusal) == (Exit.REFUSED, True)
        assert "its disk may not be mounted" in ended.output

    serving(scene)


def test_a_plan_warns_and_an_apply_that_somebody_asks_for_makes_it_anew(serving):
    async def scene(served) -> None:
        unmounted(served)

        planned = (await served.wish(Look())).answer
        done = (await served.wish(Apply(planned.plan_id))).answer

        assert "its disk may not be mounted" in " ".join(planned.output.split())
        assert done.exit == Exit.DONE
        assert served.boxes == ["postmaster"]
        assert served.instance.absence() == ""

    serving(scene)
