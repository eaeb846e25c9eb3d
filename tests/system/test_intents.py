"""Pins, suspensions and approvals through the daemon, and across its restarts."""

import json
import os

import pytest

from aimx.doors.socket import client

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root and another Linux user")


def document(instance) -> dict:
    return json.loads(instance.aimx("status", "--json").stdout)


def sees_an_edit(instance) -> bool:
    """Whether it tells that the manifest is not the pinned one; before its first look, nothing."""
    pin = document(instance)["pin"]
    return pin is not None and pin["manifest_changed"]


def test_a_rollback_outlives_the_daemon_and_edits_wait_for_resume(instance, until):
    instance.declare("info@example.com", "postmaster@example.com")
    instance.serve()
    instance.declare("info@example.com", "postmaster@example.com", "bad@example.com")
    until(lambda: instance.is_at_rest, "the new mailbox")
    assert instance.accepts("bad@example.com")

    back = instance.aimx("rollback", "--yes", "--allow-removals", "1", "--reason", "too early")
    assert back.returncode == 0, back.stdout + back.stderr
    assert instance.rcpt("bad@example.com") == 550
    instance.stop()
    instance.serve()
    instance.declare("info@example.com", "postmaster@example.com", "more@example.com")
    until(lambda: sees_an_edit(instance), "the edit to be noticed")
    until(lambda: instance.has("Converged", "True"), "convergence towards what is pinned")

    assert instance.rcpt("bad@example.com") == instance.rcpt("more@example.com") == 550
    assert "too early" in instance.aimx("plan").stdout

    assert instance.aimx("resume").returncode == 0
    until(lambda: instance.accepts("more@example.com"), "the manifest on disk")
    assert document(instance)["pin"] is None


def test_a_suspension_outlives_the_daemon(instance, until):
    instance.declare("info@example.com", "postmaster@example.com")
    instance.serve()
    assert instance.aimx("suspend", "--for", "2h", "--reason", "moving").returncode == 0
    instance.stop()
    instance.declare("info@example.com", "postmaster@example.com", "more@example.com")
    instance.serve()
    until(lambda: instance.has("Converged", "False"), "the edit to be seen")

    assert instance.condition("Suspended")["message"].endswith("moving")
    assert instance.rcpt("more@example.com") == 550

    assert instance.aimx("apply", "--yes").returncode == 0
    assert instance.accepts("more@example.com")
    assert instance.aimx("resume").returncode == 0
    until(lambda: instance.has("Suspended", "False"), "the suspension to end")


def test_a_plan_that_waits_is_approved_by_its_id(instance, until):
    gone = "gone@example.com"
    instance.declare("info@example.com", gone, "postmaster@example.com")
    instance.serve()
    instance.declare("info@example.com", "postmaster@example.com")
    until(lambda: instance.has("PendingApproval", "True"), "the removal to wait")
    stale = instance.aimx("approve", "0123456789abcdef")
    waiting = document(instance)["pending_plan"]

    approved = instance.aimx("approve", waiting)

    assert stale.returncode == 3
    assert f"aimx approve {waiting[7:23]}" in stale.stderr
    assert approved.returncode == 0, approved.stderr
    assert instance.rcpt(gone) == 550
    until(lambda: instance.has("PendingApproval", "False"), "nothing to wait any more")


def test_a_damaged_pin_is_told_and_mail_flows_on(instance, until):
    instance.declare("info@example.com", "postmaster@example.com")
    instance.apply()
    (instance.state / "pin.json").write_text("{")
    instance.serve()
    until(lambda: instance.has("Suspended", "True"), "the damage to be told")

    assert instance.deliver(b"Subject: on\r\n\r\nHello.\r\n", "info@example.com") == 250
    assert "`aimx resume` removes it" in instance.condition("Suspended")["message"]
    assert instance.aimx("resume").returncode == 0
    until(lambda: instance.has("Converged", "True"), "convergence")


@needs_root
def test_who_does_not_administer_neither_does_nor_learns_any_of_it(instance):
    instance.declare("info@example.com", "postmaster@example.com")
    instance.serve()
    instance.aimx("suspend", "--for", "2h", "--reason", "a secret plan")

    refusals = [
        instance.ask("SUSPEND", {"For": "2h"}, uid=65534),
        instance.ask("RESUME", uid=65534),
        instance.ask("ROLLBACK", uid=65534),
        instance.ask("APPROVE", {"Plan": "0123456789abcdef"}, uid=65534),
    ]
    told = instance.ask("STATUS", uid=65534)

    assert {type(each) for each in refusals} == {client.Err}
    assert {each.code for each in refusals} == {"EACCES"}
    assert "secret" not in json.dumps(told.document)
    assert told.document.keys().isdisjoint({"pin", "results", "pending_plan", "last_applied"})
