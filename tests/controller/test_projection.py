from aimx.controller.projection import commands, snapshot
from aimx.hooks.command import Command
from aimx.snapshot import Hook, Route, Snapshot, Unrouted
from desired.desired import Desired
from desired.manifest import read
from desired.problem import Source
from reconcilers.withheld import with_what_is_gone

MANIFEST = """
domains = ["a.example", "b.example"]
trust = "verified"
trusted_senders = ["*@boss.example"]

[mailboxes."info@a.example"]
owner = "alice"
aliases = ["sales@a.example"]

[[mailboxes."info@a.example".hooks]]
name = "wake"
event = "on_receive"
cmd = ["/bin/wake", "secret"]
timeout_secs = 7
fire_on_automated = false

[mailboxes."info@a.example".limits]
replies_per_thread_per_hour = 3

[mailboxes."postmaster@a.example"]
owner = "alice"

[mailboxes."*@b.example"]
owner = "bob"
trust = "none"
"""


def desired(text: str) -> Desired:
    return read([Source("manifest.toml", text.encode())]).desired


def made() -> Snapshot:
    uids = {"info@a.example": 1000, "postmaster@a.example": 1000, "*@b.example": None}
    return snapshot(desired(MANIFEST), 7, uids)


def test_a_mailbox_and_its_aliases_lead_to_one_place() -> None:
    found = made()

    assert found.route("info@a.example") is found.route("SALES@A.example")
    assert found.route("info@a.example") == Route(
        mailbox="info@a.example",
        domain="a.example",
        folder="info",
        uid=1000,
        trust="verified",
        trusted_senders=("*@boss.example",),
    )


def test_a_moved_mailbox_knows_its_former_address() -> None:
    moved = '[[moved]]\nfrom = "mailbox/old@a.example"\nto = "mailbox/info@a.example"\n'
    uids = {"info@a.example": 1000, "postmaster@a.example": 1000, "*@b.example": None}

    found = snapshot(desired(MANIFEST + moved), 7, uids)

    assert found.former == {"info@a.example": "old@a.example"}
    assert Snapshot.from_bytes(found.to_bytes()) == found


def test_an_owner_who_is_missing_has_no_uid() -> None:
    found = made().route("anybody@b.example")

    assert isinstance(found, Route)
    assert (found.folder, found.uid, found.trust) == ("catchall", None, "none")


def test_a_catchall_takes_nothing_that_is_for_a_mailbox() -> None:
    beside = '[mailboxes."*@a.example"]\nowner = "bob"\n'
    everybody = ("info@a.example", "postmaster@a.example", "*@a.example", "*@b.example")
    found = snapshot(desired(MANIFEST + beside), 7, dict.fromkeys(everybody, 1000))

    routed = {
        recipient: route.mailbox if isinstance(route, Route) else route
        for recipient in ("info@a.example", "INFO+x@A.example", "sales@a.example", "x@a.example")
        for route in [found.route(recipient)]
    }

    assert routed == {
        "info@a.example": "info@a.example",
        "INFO+x@A.example": "info@a.example",
        "sales@a.example": "info@a.example",
        "x@a.example": "*@a.example",
    }


def test_recipients_are_routed_by_the_rules() -> None:
    found = made()

    routed = {
        recipient: route.mailbox if isinstance(route, Route) else route
        for recipient in (
            "info+tag@a.example",
            "nobody@a.example",
            "info@c.example",
            "postmaster",
            "postmaster@b.example",
            "*@b.example",
            "",
        )
        for route in [found.route(recipient)]
    }

    assert routed == {
        "info+tag@a.example": "info@a.example",
        "nobody@a.example": Unrouted.UNKNOWN,
        "info@c.example": Unrouted.FOREIGN,
        "postmaster": "postmaster@a.example",
        "postmaster@b.example": "*@b.example",
        "*@b.example": Unrouted.UNKNOWN,
        "": Unrouted.FOREIGN,
    }


def test_a_snapshot_survives_the_way_to_a_worker() -> None:
    assert Snapshot.from_bytes(made().to_bytes()) == made()


def test_a_worker_knows_when_a_hook_fires_and_not_what_it_runs() -> None:
    found = made()

    assert found.hooks_on("on_receive", "info@a.example") == (
        Hook("wake", "on_receive", fire_on_automated=False),
    )
    assert found.hooks_on("after_send", "info@a.example") == ()
    assert found.hooks_on("on_receive", "postmaster@a.example") == ()
    assert b"secret" not in found.to_bytes()


def test_the_supervisor_knows_whose_a_hook_is_and_what_it_runs() -> None:
    uids = {"info@a.example": 1000, "postmaster@a.example": 1000, "*@b.example": None}

    assert dict(commands(desired(MANIFEST), uids)) == {
        "wake": Command(
            hook="wake",
            event="on_receive",
            mailbox="info@a.example",
            domain="a.example",
            folder="info",
            owner="alice",
            uid=1000,
            argv=("/bin/wake", "secret"),
            timeout=7.0,
            fire_on_untrusted=False,
            replies_per_hour=3,
        )
    }


def test_what_is_withheld_stays_as_it_was_applied() -> None:
    fewer = desired(
        'domains = ["a.example"]\n[mailboxes."postmaster@a.example"]\nowner = "carol"\n'
    )

    kept = with_what_is_gone(fewer, desired(MANIFEST))

    assert [domain.name.ascii for domain in kept.domains] == ["a.example", "b.example"]
    assert {address: box.owner for address, box in kept.mailboxes.items()} == {
        "postmaster@a.example": "carol",
        "info@a.example": "alice",
        "*@b.example": "bob",
    }


def test_nothing_is_withheld_where_nothing_was_applied() -> None:
    fresh = desired(MANIFEST)

    assert with_what_is_gone(fresh, None) is fresh
