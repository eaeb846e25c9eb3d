"""One turn as a job: what it applies, and when it leaves that to somebody or to the next one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from aimx.controller import intents
from aimx.controller.instance import Instance
from aimx.controller.review import Review
from aimx.controller.turn import Turn, Turned
from desired.manifest import Reading
from desired.problem import ManifestError, digest
from reconcilers.generations import Who
from reconcilers.intents import Suspension
from reconcilers.locks import apply_lock

ME = Who(0, "root", "watch")
ALL = '[controller]\nauto_apply = "all"\n'


async def turned(served, *, likely: bool = False, **parts: object) -> Turned:
    """What comes of a turn of the sources as they are, or of those that are said."""
    manifest = str(parts.pop("manifest", "")) or digest(served.instance.sources())
    job = Turn(ME, manifest, {}, likely=likely, **parts)
    return await served.controller.planner.do(job)


def instead(served, kind: type[Instance]) -> Instance:
    """The same instance, on which something happens meanwhile."""
    of = served.instance
    made = kind(of.roots, of.host, of.named)
    served.controller.planner = replace(served.controller.planner, instance=made)
    return made


def suspend(instance: Instance) -> None:
    now = instance.host.now()
    intents.suspend(instance, Suspension(now + timedelta(hours=1), "", 0, now))


# What it is of.


@pytest.mark.parametrize("now", ["another", "broken", "gone"])
def test_sources_that_are_others_by_then_are_left_to_the_next_turn(serving, now):
    async def scene(served) -> None:
        before = digest(served.instance.sources())
        served.declare("postmaster", "info", top="nonsense = \n" if now == "broken" else "")
        if now == "gone":
            (served.base / "config" / "manifest.toml").unlink()

        found = await turned(served, likely=True, manifest=before)

        assert found.stale
        assert found.findings.conditions == ()
        assert served.boxes == ["postmaster"]

    serving(scene)


class Edited(Instance):
    """The manifest is another one by the time that it is to be carried out."""

    def in_force(self, pin=None, intents=None) -> Reading:
        with Path(self.roots.manifest).open("a") as file:
            file.write("# more\n")
        return super().in_force(pin, intents)


class Broken(Instance):
    """And broken."""

    def in_force(self, pin=None, intents=None) -> Reading:
        raise ManifestError([])


@pytest.mark.parametrize("kind", [Edited, Broken])
def test_an_edit_between_two_looks_is_left_to_the_next_turn(serving, kind):
    async def scene(served) -> None:
        served.declare("postmaster", "info")
        instead(served, kind)

        assert (await turned(served, likely=True)).stale
        assert served.boxes == ["postmaster"]

    serving(scene)


def test_what_is_wrong_is_complained_of_without_what_is_only_warned_of(serving):
    async def scene(served) -> None:
        served.declare(top="zebra = 1\n")

        found = await turned(served)

        path = served.instance.roots.manifest
        assert found.complaints == (f"{path}:2:1: error: unknown key `zebra` [unknown-key]",)

    serving(scene)


# Under the lock, and only where something is to be done.


class Overtaken(Instance):
    """Somebody suspends applying just before the lock is had."""

    @contextmanager
    def locked(self, who: Who) -> Iterator[None]:
        suspend(self)
        with super().locked(who):
            yield


def test_what_is_said_before_the_lock_is_had_holds(serving):
    async def scene(served) -> None:
        served.declare("postmaster", "info")
        instead(served, Overtaken)

        found = await turned(served, likely=True)

        assert found.account is None
        assert served.boxes == ["postmaster"]

    serving(scene)


class Counted(Instance):
    """How often it was planned for, and locked."""

    def review(self, reading, consent, only=None) -> Review:
        SEEN.append("look")
        return super().review(reading, consent, only)

    @contextmanager
    def locked(self, who: Who) -> Iterator[None]:
        SEEN.append("lock")
        with super().locked(who):
            yield


SEEN: list[str] = []


@pytest.mark.parametrize(
    ("edited", "likely", "seen"),
    [
        pytest.param(True, True, ["lock", "look"], id="after-an-edit"),
        pytest.param(True, False, ["look", "lock", "look"], id="something-is-found"),
        pytest.param(False, False, ["look"], id="nothing-to-do"),
    ],
)
def test_after_an_edit_it_looks_but_once_and_under_the_lock(serving, edited, likely, seen):
    async def scene(served) -> None:
        if edited:
            served.declare("postmaster", "info")
        instead(served, Counted)
        SEEN.clear()

        await turned(served, likely=likely)

        assert seen == SEEN

    serving(scene)


@pytest.mark.parametrize("likely", [True, False])
def test_while_somebody_else_applies_nothing_is_applied_and_that_is_told(serving, likely):
    async def scene(served) -> None:
        served.declare("postmaster", "info")
        with apply_lock(served.instance.host, served.instance.roots, "a test"):
            found = await turned(served, likely=likely)

        assert (found.hindrance, found.account) == ("LockHeld", None)
        assert "is held by" in found.failure
        assert served.boxes == ["postmaster"]

    serving(scene)


def test_while_suspended_nobody_is_kept_from_applying(serving):
    async def scene(served) -> None:
        suspend(served.instance)
        served.declare("postmaster", "info")
        with apply_lock(served.instance.host, served.instance.roots, "a test"):
            found = await turned(served, likely=True)

        assert found.failure == ""

    serving(scene)


# What may be done unasked.


@pytest.mark.parametrize(
    ("names", "waits"), [(["postmaster", "info"], "False"), (["info"], "True")]
)
def test_while_suspended_a_removal_can_be_approved_and_what_comes_needs_no_approval(
    serving, names, waits
):
    async def scene(served) -> None:
        suspend(served.instance)
        served.declare(*names)

        await served.controller.turn()

        assert served.condition("PendingApproval")[0] == waits
        assert served.boxes == ["postmaster"]

    serving(scene)


def test_where_all_is_applied_unasked_removals_are(serving):
    async def scene(served) -> None:
        served.declare("postmaster", "info", top=ALL)
        await served.controller.turn()
        served.declare("postmaster", top=ALL)
        await served.controller.turn()

        assert served.boxes == served.routes == ["postmaster"]
        assert served.condition("Converged") == ("True", "")
        assert served.condition("PendingApproval") == ("False", "")
        assert served.controller.state.document(daemon=True)["generation"] == 3

    serving(scene)


def test_where_all_is_applied_unasked_the_guard_holds_all_the_same(serving):
    async def scene(served) -> None:
        names = ["postmaster", *(f"box{number}" for number in range(7))]
        served.declare(*names, top=ALL)
        await served.controller.turn()
        told = len(served.engine.told)
        served.declare("postmaster", top=ALL)
        await served.controller.turn()

        assert served.boxes == sorted(names)
        assert len(served.engine.told) == told
        assert (await turned(served)).account is None
        assert served.condition("PendingApproval") == ("True", "RunApprove")
        assert served.condition("Converged")[0] == "False"

    serving(scene)


# What the engine runs on.


@pytest.mark.parametrize("said", ["suspended", "nothing-by-itself", "settled"])
def test_a_certificate_that_is_renewed_is_taken_up_whatever_may_be_applied(serving, said):
    async def scene(served) -> None:
        if said == "suspended":
            suspend(served.instance)
        elif said == "nothing-by-itself":
            served.declare("postmaster", top='[controller]\nauto_apply = "none"\n')
        chain = served.base / "config" / "tls" / "cert.pem"
        chain.write_bytes(chain.read_bytes() + b"\n")

        await served.controller.turn()

        assert served.engine.told == ["prepare", "commit"]

    serving(scene)


def test_a_certificate_is_taken_up_also_where_an_apply_fails(serving):
    async def scene(served) -> None:
        served.fail("inbox/bad")
        served.declare("postmaster", "bad")
        chain = served.base / "config" / "tls" / "cert.pem"
        chain.write_bytes(chain.read_bytes() + b"\n")

        await served.controller.turn()

        assert served.engine.told == ["prepare", "commit"]
        assert served.routes == ["postmaster"]

    serving(scene)


def test_after_an_apply_that_the_engine_took_up_it_is_told_no_more(serving):
    async def scene(served) -> None:
        served.declare("postmaster", "info")

        await served.controller.turn()

        assert served.engine.told == ["prepare", "commit"]

    serving(scene)


# What somebody else left.


class Unfinished(Instance):
    """An apply that was killed has left something unsynced."""

    def is_unfinished(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("kind", "doubtful", "applied"),
    [(Unfinished, True, True), (Unfinished, False, False), (Instance, True, False)],
)
def test_with_nothing_to_do_what_was_left_unsynced_in_doubt_is_synced(
    serving, kind, doubtful, applied
):
    async def scene(served) -> None:
        instead(served, kind)

        found = await turned(served, doubtful=doubtful)

        assert (found.account is not None) == applied

    serving(scene)


def test_what_a_rule_refuses_is_applied_in_no_doubt(serving):
    async def scene(served) -> None:
        served.declare("postmaster", *(f"box{number}" for number in range(7)), top=ALL)
        await served.controller.turn()
        served.declare("postmaster", top=ALL)
        instead(served, Unfinished)

        assert (await turned(served, doubtful=True)).account is None

    serving(scene)


# Drift.

REPORT = '[policy]\ndrift = "report"\n'


def test_where_drift_is_reported_other_changes_are_applied_and_drift_alone_is_not(serving):
    async def scene(served) -> None:
        served.declare("postmaster", top=REPORT)
        await served.controller.turn()
        box = served.base / "data/example.com/inbox/postmaster"
        box.chmod(0o755)

        alone = await turned(served)
        served.declare("postmaster", "info", top=REPORT)
        both = await turned(served, likely=True)

        assert (alone.account, both.failure) == (None, "")
        assert served.boxes == ["info", "postmaster"]
        assert box.stat().st_mode & 0o777 == 0o755

    serving(scene)


def test_an_engine_config_that_drifted_is_written_with_what_else_is_applied(serving):
    async def scene(served) -> None:
        served.declare("postmaster", top=REPORT)
        await served.controller.turn()
        (served.base / "config" / "config.toml").chmod(0o600)
        served.declare("postmaster", "info", top=REPORT)

        await served.controller.turn()

        assert served.routes == ["info", "postmaster"]
        assert served.condition("Converged") == ("True", "")

    serving(scene)
