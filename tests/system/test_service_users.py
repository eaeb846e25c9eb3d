"""Service users that are made, or named, while the server runs: nothing stands in longer."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from aimx.doors.socket.client import Ok
from aimx.testing.accounts import accounts
from aimx.testing.ports import ReservedPort
from aimx.testing.zone import Zone, serve_in_thread

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root and other Linux users")

AGENT = "agent@example.com"
NAMES = tuple(f"aimx-{role}{os.getpid()}" for role in ("i", "o"))
TABLE = {"c.example": {"MX": "10 mx.c.example"}, "mx.c.example": {"A": "127.0.0.1"}}
LARGE = b"Subject: large\r\nMessage-ID: <large@x>\r\n\r\n" + b"0123456789\r\n" * 100_000


@contextmanager
def ended(instance) -> Iterator[None]:
    """The server ends before its users do."""
    try:
        yield
    finally:
        instance.stop()


def uids(instance, role: str) -> set[int]:
    """Whom the processes of a role run as."""
    found = set()
    for pid in instance.pids(role):
        with open(f"/proc/{pid}/status") as status:
            found |= {int(line.split()[1]) for line in status if line.startswith("Uid:")}
    return found


def started(instance, role: str) -> int:
    """How many processes of a role have begun to work."""
    lines = instance.log.splitlines()
    return sum('"process started"' in line and f'"{role}"' in line for line in lines)


@pytest.fixture
def queuing(instance):
    """What it sends waits: nobody listens where it is to go."""
    with serve_in_thread(Zone(TABLE)) as resolver, ReservedPort("127.0.0.1") as port:
        instance.resolver = resolver
        rest = f'[outbound]\nmode = "queue"\nport = {port.number}\n'
        users = '[server]\nusers = {{ inbound = "{}", outbound = "{}" }}\n'
        instance.declare(AGENT, rest=rest + users.format(*NAMES))
        yield instance


def send(instance, subject: str):
    content = f"From: agent\nTo: bob@c.example\nSubject: {subject}\n\nHello.\n".encode()
    return instance.ask("SEND", {"Content-Length": str(len(content))}, content)


def works(instance, *subjects: str) -> None:
    """All that was handed in waits, and large mail finds its spool."""
    assert instance.deliver(LARGE, AGENT) == 250
    listed = json.loads(instance.aimx("queue", "list", "--json").stdout)["messages"]
    assert sorted(each["subject"] for each in listed) == sorted(subjects)
    assert "Traceback" not in instance.log


def test_who_is_made_while_nobody_stands_in_takes_the_work_over(queuing, until):
    queuing.serve()
    first = send(queuing, "first")
    before = uids(queuing, "inbound") | uids(queuing, "outbound")

    with accounts(*NAMES) as made, ended(queuing):
        inbound, outbound = (each.pw_uid for each in made)
        until(lambda: uids(queuing, "inbound") == {inbound}, "inbound to be another user")
        until(lambda: uids(queuing, "outbound") == {outbound}, "outbound to be another user")
        until(lambda: started(queuing, "outbound") == 2, "outbound to work")
        second = send(queuing, "second")

        works(queuing, "first", "second")
        spool = queuing.state / "spool"
        until(lambda: spool.stat().st_mode & 0o777 == 0o700, "the spool to be private again")
        assert (spool.stat().st_uid, spool.stat().st_gid) == (inbound, made[0].pw_gid)
    assert before == {65534}
    assert isinstance(first, Ok)
    assert isinstance(second, Ok)


def test_who_is_made_while_no_server_runs_finds_what_nobody_left(queuing):
    queuing.serve()
    sent = send(queuing, "first")
    queuing.stop()

    with accounts(*NAMES) as made:
        queuing.serve()
        with ended(queuing):
            assert uids(queuing, "outbound") == {made[1].pw_uid}
            works(queuing, "first")
    assert isinstance(sent, Ok)


def test_users_that_the_manifest_names_from_now_on_take_the_work_over(queuing, until):
    queuing.serve()
    sent = send(queuing, "first")
    other = tuple(f"{name}n" for name in NAMES)

    with accounts(*other) as made, ended(queuing):
        text = queuing.manifest.read_text()
        for before, after in zip(NAMES, other, strict=True):
            text = text.replace(f'"{before}"', f'"{after}"')
        queuing.write(text)
        until(lambda: uids(queuing, "inbound") == {made[0].pw_uid}, "inbound to be another user")
        until(lambda: uids(queuing, "outbound") == {made[1].pw_uid}, "outbound to be another user")
        until(lambda: started(queuing, "outbound") == 2, "outbound to work")

        works(queuing, "first")
    assert isinstance(sent, Ok)


def test_who_is_taken_away_while_at_work_keeps_its_directories(queuing, until):
    with ended(queuing):
        with accounts(*NAMES) as made:
            queuing.serve()
            sent = [send(queuing, "first")]
        before = queuing.status()["generation"]
        queuing.write(queuing.manifest.read_text() + "\n[limits]\nsends_per_day = 400\n")
        until(lambda: queuing.status()["generation"] == before + 1, "the edit to be applied")
        until(lambda: queuing.is_at_rest, "the daemon to be at rest")

        sent.append(send(queuing, "second"))
        works(queuing, "first", "second")
        owners = {path: (queuing.state / path).stat().st_uid for path in ("spool", "out")}
    assert owners == {"spool": made[0].pw_uid, "out": made[1].pw_uid}
    assert all(isinstance(each, Ok) for each in sent)


def test_what_root_put_there_is_told_with_what_to_do(queuing):
    queuing.serve()
    queuing.stop()
    lock = queuing.state / "out" / "lock"
    os.chown(lock, 0, 0)

    queuing.begin()
    assert queuing.daemon.wait(60) != 0

    assert f"{lock}: Permission denied. All in {lock.parent} must be" in queuing.log
    assert f"chown -R 65534:65534 {lock.parent}" in queuing.log
    assert "Traceback" not in queuing.log
