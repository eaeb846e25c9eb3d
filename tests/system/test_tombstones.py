"""The mail of a removed mailbox: kept, offered, restored and purged, with a daemon and without."""

import json

import pytest

BOTH = ("info@example.com", "ops@example.com")


@pytest.fixture(params=[True, False], ids=["daemon", "alone"])
def removed(request, instance, until):
    """An instance whose info@example.com was removed, with one message."""
    instance.declare(*BOTH)
    instance.serve()
    assert instance.deliver(b"Subject: kept\r\n\r\nHello.\r\n", BOTH[0]) == 250
    if not request.param:
        instance.stop()
    instance.declare(BOTH[1])
    until(lambda: instance.aimx("apply", "--yes").returncode == 0, "the removal")
    return instance


def listed(instance):
    done = instance.aimx("tombstones", "list", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["tombstones"]


def test_removed_mail_is_listed_offered_and_restored(removed, until):
    (stone,) = listed(removed)
    assert (stone["address"], stone["messages"]) == (BOTH[0], 1)
    refused = removed.aimx("tombstones", "restore", BOTH[0], "--yes")
    assert (refused.returncode, "not-declared" in refused.stderr) == (4, True)

    removed.declare(*BOTH)
    offered = removed.aimx("plan")
    removed.apply()
    unasked = removed.aimx("tombstones", "restore", BOTH[0])
    done = removed.aimx("tombstones", "restore", BOTH[0], "--yes")

    if removed.daemon is None:  # Which would have declared it by now.
        assert f"aimx tombstones restore {stone['name']}" in " ".join(offered.stdout.split())
    assert unasked.returncode == 4
    assert done.returncode == 0, done.stdout + done.stderr
    assert removed.letter(BOTH[0], "kept")
    assert listed(removed) == []


def test_a_purge_needs_a_person_or_a_yes(removed):
    unasked = removed.aimx("tombstones", "purge", BOTH[0])
    assert (unasked.returncode, len(listed(removed))) == (4, 1)
    nobody = removed.aimx("tombstones", "purge", "nobody@example.com", "--yes")
    assert nobody.returncode == 1

    done = removed.aimx("tombstones", "purge", BOTH[0], "--yes")

    assert done.returncode == 0, done.stdout + done.stderr
    assert listed(removed) == []
    assert list((removed.state / "tombstones").iterdir()) == []
