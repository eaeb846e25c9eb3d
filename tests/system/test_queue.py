"""`[outbound] mode = "queue"`: what is handed in is delivered, by and by, once."""

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count, repeat
from pathlib import Path
from random import Random

import fastjsonschema
import pytest

from aimx.doors.socket.client import Err, Ok, ReplyError, UnreachableError
from aimx.testing.exchanger import Exchanger, in_thread
from aimx.testing.ports import ReservedPort
from aimx.testing.script import OK, SILENCE
from aimx.testing.zone import Zone, serve_in_thread

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
AGENT = "agent@example.com"
LATER = {"RCPT": repeat("450 4.2.0 Greylisted")}

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root and another Linux user")

TABLE = {
    "c.example": {"MX": "10 mx.c.example"},
    "mx.c.example": {"A": "127.0.0.1"},
    "gone.example": {"MX": "10 mx.gone.example"},
    "mx.gone.example": {"A": "127.0.0.7"},
}


@dataclass
class Queued:
    """An instance that queues, and the one host that it may reach."""

    instance: object
    port: int

    def declare(self, **parts: str) -> None:
        rest = f'[outbound]\nmode = "queue"\nport = {self.port}\n' + parts.pop("rest", "")
        self.instance.declare(AGENT, rest=rest, **parts)

    def send(self, subject: str, *recipients: str, key: str = "", **options) -> Ok | Err:
        to = ", ".join(recipients or ("bob@c.example",))
        content = f"From: agent\nTo: {to}\nSubject: {subject}\n\nHello.\n".encode()
        headers = {"Content-Length": str(len(content))}
        if key:
            headers["Idempotency-Key"] = key
        return self.instance.ask("SEND", headers, content, **options)

    def queue(self, *words: str) -> str:
        done = self.instance.aimx("queue", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def listed(self) -> list[dict[str, object]]:
        document = described("queue", json.loads(self.queue("list", "--json")))
        found: list[dict[str, object]] = document["messages"]
        return found

    def shown(self, name: object) -> dict[str, object]:
        return described("queued", json.loads(self.queue("show", str(name), "--json")))

    def copy(self, subject: str):
        return self.instance.letter(AGENT, subject, "sent")

    def status(self, subject: str) -> str:
        return self.copy(subject).fields["delivery_status"]


def described(name: str, document):
    """The document, which is as its schema says."""
    fastjsonschema.compile(json.loads((SCHEMAS / f"{name}.json").read_text()))(document)
    return document


@pytest.fixture
def queued(make) -> Iterator[Queued]:
    instance = make()
    with (
        serve_in_thread(Zone(TABLE)) as resolver,
        ReservedPort("127.0.0.1", "127.0.0.7") as port,
    ):
        instance.resolver = resolver
        yield Queued(instance, port.number)


def test_a_message_is_answered_at_once_and_delivered(queued, until):
    queued.declare()
    queued.instance.serve()
    with in_thread(Exchanger(port=queued.port)) as exchanger:
        sent = queued.send("hello", "bob@c.example", "eve@c.example")

        until(lambda: exchanger.received, "the message to arrive")
        until(lambda: queued.status("hello") == "delivered", "the copy to say so")

    (received,) = exchanger.received
    assert isinstance(sent, Ok)
    assert received.recipients == ("bob@c.example", "eve@c.example")
    fields = queued.copy("hello").fields
    assert f"<{fields['message_id']}>" == sent.detail
    assert "bob@c.example: delivered to mx.c.example" in fields["delivery_details"]
    assert fields["delivered_at"]
    assert queued.copy("hello").body.strip() == "Hello."


def test_the_command_says_what_was_done_with_a_message(queued, until):
    queued.declare()
    queued.instance.serve()
    to = ("--to", "bob@c.example", "--subject", "told", "--body", "Hello.")
    with in_thread(Exchanger(LATER, port=queued.port)):
        text = queued.instance.aimx("send", "--from", "agent", *to)
        data = queued.instance.aimx("send", "--from", "agent", *to, "--json")
        none = queued.instance.aimx("send", "--from", "stranger", *to, "--json")
        document = described("sent", json.loads(data.stdout))
        names = {each["id"]: each for each in queued.listed()}

    assert (text.returncode, data.returncode, none.returncode) == (0, 0, 1)
    (name,) = names.keys() - {document["id"]}
    message_id = text.stdout.strip()
    assert text.stderr == (
        f"Email queued as {name}.\nMessage-ID: {message_id}\n"
        f"`aimx queue show {name}` tells what becomes of it.\n"
    )
    assert message_id == f"<{names[name]['message_id']}>"
    assert document["state"] == "queued"
    assert document["message_id"] == names[document["id"]]["message_id"]
    assert described("refusal", json.loads(none.stdout))["message"].endswith(" [MAILBOX].")


@pytest.fixture
def waiting(queued, until) -> Iterator[Queued]:
    """One message waits, since its host lets nobody in."""
    queued.declare()
    queued.instance.serve()
    with in_thread(Exchanger(LATER, port=queued.port)):
        queued.send("hello")
        until(lambda: queued.status("hello") == "deferred", "the message to be deferred")
        yield queued


def test_what_waits_is_listed_and_shown_with_what_was_tried(waiting):
    (row,) = waiting.listed()
    shown = waiting.shown(row["id"])
    text, told = waiting.queue("list"), waiting.queue("show", row["id"])

    assert (row["state"], row["from"], row["to"]) == ("deferred", AGENT, "bob@c.example")
    assert row["next_attempt_at"] > row["queued_at"]
    assert shown["recipients"][0]["attempts"] == 1
    assert [event["status"] for event in shown["history"]] == ["deferred"]
    for part in (row["id"], "deferred", "bob@c.example", "450 4.2.0 Greylisted"):
        assert part in text
        assert part in told
    assert waiting.copy("hello").path.stem in told


def test_what_waits_is_tried_when_somebody_says_so(waiting, until):
    (row,) = waiting.listed()

    assert waiting.queue("retry", "--all") == "1 message tried now.\n"

    until(lambda: waiting.shown(row["id"])["recipients"][0]["attempts"] == 2, "an attempt")
    assert "It is tried now." in waiting.queue("retry", row["id"])


def test_what_is_held_waits_until_it_is_released(waiting, until):
    (row,) = waiting.listed()

    assert "Held" in waiting.queue("hold", row["id"])

    assert waiting.listed()[0]["state"] == "held"
    assert waiting.queue("retry", "--all") == "0 messages tried now.\n"
    assert "It goes on." in waiting.queue("release", row["id"])
    until(lambda: waiting.shown(row["id"])["recipients"][0]["attempts"] == 2, "an attempt")


def test_what_is_held_for_a_while_says_until_when_and_goes_on_by_itself(waiting, until):
    (row,) = waiting.listed()

    told = waiting.queue("hold", row["id"], "--for", "1s")

    assert f"; `aimx queue release {row['id']}` lets it go on before." in told
    until(lambda: waiting.shown(row["id"])["recipients"][0]["attempts"] == 2, "an attempt")
    refused = waiting.instance.ask("QUEUE", {"Do": "cancel", "Name": row["id"], "For": "2h"})
    assert isinstance(refused, Err)
    assert refused.code == "MALFORMED"


def test_what_is_cancelled_is_gone_and_its_copy_says_so(waiting, until):
    (row,) = waiting.listed()

    waiting.queue("cancel", row["id"])

    until(lambda: waiting.status("hello") == "cancelled", "the copy to say so")
    until(lambda: waiting.listed() == [], "the message to be closed")
    assert waiting.queue("list") == "Nothing waits to be sent.\n"
    again = waiting.instance.aimx("queue", "retry", row["id"])
    assert again.returncode == 1
    assert f"message '{row['id']}' is cancelled: there is nothing to retry" in again.stderr


def test_what_cannot_be_done_is_told_in_a_sentence_and_as_data(waiting):
    missing = waiting.instance.aimx("queue", "show", "0123456789abcdef")
    data = waiting.instance.aimx("queue", "hold", "0123456789abcdef", "--json")
    usage = waiting.instance.aimx("queue", "retry")

    assert missing.returncode == 1
    assert missing.stderr == ("aimx queue: message '0123456789abcdef' does not exist [ENOENT].\n")
    assert described("refusal", json.loads(data.stdout))["exit"] == 1
    assert usage.returncode == 64
    assert "it takes the ID of a message, or --all" in usage.stderr


def test_without_a_daemon_there_is_nobody_to_ask(queued):
    queued.declare()

    done = queued.instance.aimx("queue", "list")

    assert done.returncode == 2
    assert "start `aimx serve`" in done.stderr


@needs_root
def test_whoever_owns_the_mailbox_sees_and_steers_its_mail_and_nobody_else(waiting):
    (row,) = waiting.listed()
    owner, stranger = 65534, 1

    def ask(does: str, uid: int, name: object = "") -> Ok | Err:
        headers = {"Do": does, **({"Name": str(name)} if name else {})}
        return waiting.instance.ask("QUEUE", headers, uid=uid)

    lists = [ask("list", uid).document["messages"] for uid in (owner, stranger)]
    foreign = [ask(does, stranger, row["id"]) for does in ("show", "hold", "cancel", "retry")]
    missing = ask("show", stranger, "f" * 16)

    assert [len(each) for each in lists] == [1, 0]
    assert foreign == [Err("ENOENT", f"message '{row['id']}' does not exist")] * 4
    assert missing == Err("ENOENT", f"message '{'f' * 16}' does not exist")
    soon = ask("retry", owner, row["id"]).document["next_attempt_at"]
    assert soon > row["queued_at"]
    assert ask("retry", owner).document["messages"] == 0
    assert waiting.shown(row["id"])["recipients"][0]["attempts"] == 1
    assert isinstance(ask("hold", owner, row["id"]), Ok)
    assert ask("retry", stranger).document["messages"] == 0
    assert waiting.listed()[0]["state"] == "held"


def test_a_refusal_is_in_the_senders_inbox(queued, until):
    queued.declare()
    queued.instance.serve()
    with in_thread(Exchanger({"RCPT": ["550 5.1.1 No such user"]}, port=queued.port)):
        queued.send("nobody there")

        until(lambda: queued.instance.letters(AGENT), "the bounce")

    (letter,) = queued.instance.letters(AGENT)
    assert letter.fields["subject"] == "Undelivered: nobody there"
    assert "550 5.1.1 No such user" in letter.body
    until(lambda: queued.status("nobody there") == "failed", "the copy to say so")


def test_a_manifest_that_sends_at_once_again_lets_nothing_wait_for_ever(waiting, until):
    waiting.instance.declare(AGENT, rest=f"[outbound]\nport = {waiting.port}\n")
    until(lambda: waiting.instance.status()["generation"] == 2, "the manifest to be applied")
    (row,) = waiting.listed()

    waiting.queue("retry", row["id"])

    until(lambda: waiting.shown(row["id"])["recipients"][0]["attempts"] == 2, "an attempt")
    refused = waiting.send("at once")
    assert isinstance(refused, Err)
    assert refused.code == "TEMP"


def test_a_damaged_queue_is_set_aside_and_its_messages_are_a_persons_to_decide(waiting, until):
    (row,) = waiting.listed()
    waiting.instance.stop()
    database = waiting.instance.state / "out" / "queue.db"
    database.write_bytes(b"\xff" * database.stat().st_size)
    # Its log would have all of it.
    database.with_name("queue.db-wal").unlink(missing_ok=True)

    waiting.instance.serve()

    until(lambda: waiting.status("hello") == "unknown", "the copy to say so")
    assert len(list(database.parent.glob("queue.db.set-aside-*Z"))) == 1
    assert "the queue cannot be read and is begun anew" in waiting.instance.log
    assert [(each["id"], each["state"]) for each in waiting.listed()] == [(row["id"], "unknown")]
    waiting.queue("retry", row["id"])
    until(lambda: waiting.shown(row["id"])["recipients"][0]["attempts"], "an attempt")
    assert isinstance(waiting.send("as before"), Ok)


def test_what_waits_goes_to_a_relay_that_is_named_later(queued, until):
    queued.declare()
    queued.instance.serve()
    # Nobody listens on the port of the hosts that the DNS names.
    queued.send("hello", "bob@gone.example", "eve@c.example")
    until(lambda: queued.status("hello") == "deferred", "the message to be deferred")
    with in_thread(Exchanger()) as relay:
        queued.declare(rest=f'relay = "127.0.0.1:{relay.port}"\n')
        until(lambda: queued.instance.status()["generation"] == 2, "the relay to be used")

        queued.queue("retry", "--all")

        until(lambda: queued.status("hello") == "delivered", "the copy to say so")
    (received,) = relay.received
    assert received.recipients == ("bob@gone.example", "eve@c.example")


@dataclass
class Load:
    """Somebody who hands in one message after another, and remembers which were taken."""

    queued: Queued
    taken: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self):
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        for number in count():
            if self._stop.is_set():
                return
            subject = f"message-{number}"
            # Again with the same key, until somebody says that it was taken.
            while not self._stop.is_set():
                try:
                    reply = self.queued.send(subject, f"{subject}@c.example", key=subject)
                except (UnreachableError, ReplyError):
                    self._stop.wait(0.02)
                    continue
                if isinstance(reply, Ok):
                    self.taken.append(subject)
                    break
                self._stop.wait(0.02)


@pytest.mark.parametrize("victim", ["outbound", "everybody", "placer"])
def test_whoever_is_killed_each_message_arrives_once_or_is_told_as_unknown(queued, until, victim):
    random = Random(victim)
    # Some answers to the content never come, so that somebody is always between it and them.
    silence = [0.1]
    ends = (SILENCE if random.random() < silence[0] else OK for _ in repeat(None))
    queued.declare(rest="[limits]\nsends_per_day = 100000\nnew_recipients_per_day = 100000\n")
    queued.instance.serve()
    with ExitStack() as leaving:
        exchanger = leaving.enter_context(in_thread(Exchanger({"END": ends}, port=queued.port)))
        with Load(queued) as load:
            for _ in range(4):
                reached = len(load.taken) + 3 + random.randrange(6)
                until(lambda reached=reached: len(load.taken) >= reached, "some to be taken")
                kill(queued.instance, victim, until)
        taken = list(load.taken)
        # What is silent is never answered: whoever is killed now leaves it in doubt.
        silence[0] = 0
        kill(queued.instance, "everybody", until)

        until(lambda: is_settled(queued, taken), "every message to be delivered or in doubt")

        delivered, unknown = outcomes(queued, taken)
        arrived = Counter(each.recipients[0].partition("@")[0] for each in exchanger.received)
    assert {subject for subject, number in arrived.items() if number > 1} == set()
    assert delivered <= arrived.keys()
    assert delivered | unknown == set(taken)
    assert arrived.keys() - unknown <= delivered | (arrived.keys() - set(taken))
    assert {row["to"].partition("@")[0] for row in queued.listed()} >= unknown


def kill(instance, victim: str, until) -> None:
    if victim == "everybody":
        children = instance.processes()
        instance.stop(signal.SIGKILL)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "all to go")
        instance.serve()
        return
    (pid,) = instance.pids(victim)
    os.kill(pid, signal.SIGKILL)
    until(lambda: pid not in instance.pids(victim) and instance.pids(victim), "a successor")


def outcomes(queued, taken: list[str]) -> tuple[set[str], set[str]]:
    """Which of these messages are told to be delivered, and which in doubt, by their copies."""
    found = {
        letter.fields["subject"]: letter.fields["delivery_status"]
        for letter in queued.instance.letters(AGENT, "sent")
    }
    return (
        {subject for subject in taken if found.get(subject) == "delivered"},
        {subject for subject in taken if found.get(subject) == "unknown"},
    )


def is_settled(queued, taken: list[str]) -> bool:
    delivered, unknown = outcomes(queued, taken)
    return delivered | unknown == set(taken)
