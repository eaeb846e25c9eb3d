"""What keeps an apply from being taken up, as `aimx apply --wait` tells it."""

import json

import pytest

from aimx.cli.lacking import lacking
from aimx.cli.waiting import Wait
from aimx.doors.exits import Exit


def status(*, settled=True, engine=5, **conditions):
    """Of a daemon that is at generation 5, with these conditions instead of those of a good day."""
    said = {"Converged": ("True", ""), "EngineActive": ("True", ""), **conditions}
    return {
        "settled": settled,
        "engine_generation": engine,
        "conditions": [
            {"type": kind, "status": word, "reason": reason, "message": f"{kind} told"}
            for kind, (word, reason) in said.items()
        ],
    }


@pytest.mark.parametrize(
    ("found", "missing"),
    [
        pytest.param(status(), [], id="all-holds"),
        pytest.param(status(engine=6), [], id="somebody-applied-more-since"),
        pytest.param(None, [("EngineActive", "NoDaemon")], id="no-daemon"),
        pytest.param(status(settled=False), [("Converged", "Looking")], id="told-before-the-apply"),
        pytest.param(status(engine=4), [("EngineActive", "Behind")], id="not-swapped"),
        pytest.param(
            status(EngineActive=("False", "Refused"), engine=4),
            [("EngineActive", "Refused")],
            id="the-engine-refuses",
        ),
        pytest.param(
            status(Converged=("False", "Blocked"), EngineActive=("False", "Refused")),
            [("Converged", "Blocked"), ("EngineActive", "Refused")],
            id="both",
        ),
        pytest.param(
            status(EngineActive=("Unknown", "NoEngine"), engine=0), [], id="nobody-has-an-engine"
        ),
    ],
)
def test_what_is_missing_is_told(found, missing):
    assert [(each.type, each.reason) for each in lacking(found, 5)] == missing


def test_a_condition_that_nobody_told_yet_is_missing():
    found = {"settled": True, "engine_generation": 5, "conditions": []}

    assert [(each.type, each.status) for each in lacking(found, 5)] == [
        ("Converged", "Unknown"),
        ("EngineActive", "Unknown"),
    ]


def test_it_waits_until_all_holds():
    later = iter([status(settled=False), None, status(engine=4)])

    waited = Wait(lambda: next(later, status()), seconds=60, served=True).until(5)

    assert waited.converged


def test_a_daemon_that_restarts_is_waited_for_and_none_at_all_is_not():
    served = Wait(lambda: None, seconds=1, served=True).until(5)
    alone = Wait(lambda: None, seconds=3600, served=False).until(5)

    assert served.seconds >= 1 > alone.seconds
    assert (served.converged, alone.converged) == (False, False)


def test_what_is_missing_comes_with_what_to_do():
    found = status(Converged=("False", "ChangesPending"), Suspended=("True", "AskedFor"))
    waited = Wait(lambda: found, seconds=1, served=True).until(5)

    assert waited.told(80).splitlines() == [
        "aimx apply: applied, and not converged after 1s:",
        "  Converged is False (ChangesPending): Converged told",
        "      `aimx plan` shows what is left, and `aimx apply` does it. The daemon is",
        "          suspended: `aimx resume` lets it go on.",
    ]


def test_without_a_daemon_it_is_applied_and_said_that_nobody_takes_it_up(instance):
    ended = instance.run("apply", "--yes", "--wait", "3600")
    again = instance.run("apply", "--wait")

    assert (ended.exit, again.exit) == (Exit.NOT_CONVERGED, Exit.NOT_CONVERGED)
    assert "Apply complete" in ended.out
    assert ended.err == again.err
    assert ended.err.splitlines() == [
        "aimx apply: applied, and nobody is there to take it up:",
        "  EngineActive is Unknown (NoDaemon): no daemon runs",
        "      Start it with `aimx serve`. If it ran before, its log says why it ended.",
    ]


def test_what_is_not_whole_is_not_waited_for(instance):
    instance.manifest.write_text("no-such = 1")

    assert instance.run("apply", "--yes", "--wait").exit == Exit.INVALID


@pytest.mark.parametrize("given", ["0", "-1", "x.plan", "86401", "1.5"])
def test_seconds_are_a_number(instance, given):
    ended = instance.run("apply", "--yes", f"--wait={given}")

    assert ended.exit == Exit.USAGE
    assert f"'{given}' is no number of seconds" in ended.err


def test_a_saved_plan_may_stand_behind_it(instance):
    file = instance.base / "next.plan"
    assert instance.run("plan", "--out", str(file)).exit == 0

    ended = instance.run("apply", "--wait", str(file))
    again = instance.run("apply", str(file), "--wait", str(file))

    assert (ended.exit, again.exit) == (Exit.NOT_CONVERGED, Exit.USAGE)
    assert "Apply complete" in ended.out


def test_the_data_say_it_too(instance):
    ended = instance.run("apply", "--yes", "--json", "--wait")

    waited = json.loads(ended.out)["wait"]
    assert ended.exit == Exit.NOT_CONVERGED
    assert (waited["converged"], waited["missing"][0]["reason"]) == (False, "NoDaemon")
