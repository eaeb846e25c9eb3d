"""What Prometheus and a probe are told of a running engine."""

import http.client
import os
import pwd
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from aimx.metrics.kinds import Histogram
from aimx.metrics.table import METRICS, ROLES
from aimx.testing.ports import ReservedPort

from .conftest import owner, until


class Served:
    """An instance that tells its numbers, and who asks it for them."""

    def __init__(self, instance) -> None:
        self.instance = instance
        self.port = self.reserve()

    def reserve(self) -> int:
        return self.instance.held.enter_context(ReservedPort()).number

    def declare(self, more: str = "") -> None:
        metrics = f'[metrics]\nbind = "127.0.0.1:{self.port}"\n'
        self.instance.declare("info@example.com", "sales@example.com", rest=metrics + more)

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        asking = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            asking.request(method, path)
            reply = asking.getresponse()
            return reply.status, reply.read().decode()
        finally:
            asking.close()

    def numbers(self) -> dict[str, float]:
        """All samples, by their line up to the number."""
        _, text = until(
            lambda: found if (found := self.get("/metrics"))[0] == 200 else None, "the numbers"
        )
        return {
            f"{it.name}{dict(it.labels) or ''}": it.value
            for family in text_string_to_metric_families(text)
            for it in family.samples
        }

    def counted(self) -> dict[str, float]:
        """The numbers once all processes have told theirs: who is slow to answer is left out."""

        def complete() -> dict[str, float] | None:
            found = self.numbers()
            silent = (found[f"aimx_processes_silent{{'role': '{role}'}}"] for role in ROLES)
            return None if any(silent) else found

        found: dict[str, float] = until(complete, "an answer of everybody")
        return found

    def answers(self) -> bool:
        try:
            return self.get("/healthz")[0] == 200
        except OSError:
            return False


@pytest.fixture
def served(make) -> Served:
    made = Served(make())
    made.declare()
    made.instance.serve()
    until(made.answers, "the metrics")
    return made


def message(subject: str) -> bytes:
    fields = f"From: a@example.org\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x>\r\n"
    return f"{fields}\r\nHi\r\n".encode()


def test_every_metric_is_there_before_anything_has_happened(served: Served) -> None:
    _, text = served.get("/metrics")

    found = {it.name: it for it in text_string_to_metric_families(text)}
    assert {(it.name.removesuffix("_total"), it.kind) for it in METRICS} == {
        (family.name, family.type) for family in found.values()
    }
    assert all(it.samples for it in found.values())
    assert not [it for it in METRICS if isinstance(it, Histogram) and it.labels]


def test_mail_is_counted_by_what_became_of_it_in_every_process(served: Served) -> None:
    instance = served.instance
    for subject in ("one", "two", "two"):
        assert instance.deliver(message(subject), "info@example.com", "sales@example.com") == 250
    assert instance.rcpt("nobody@example.com") == 550

    found = served.counted()

    assert found["aimx_inbound_messages_total{'outcome': 'kept'}"] == 2
    assert found["aimx_inbound_messages_total{'outcome': 'duplicate'}"] == 1
    assert found["aimx_placing_requests_total{'outcome': 'placed'}"] == 4
    assert found["aimx_placing_requests_total{'outcome': 'duplicate'}"] == 2
    assert found["aimx_placing_batch_seconds_count"] >= 1
    assert found["aimx_placing_flush_seconds_count"] >= 1
    assert found["aimx_smtp_refusals_total{'code': '550'}"] == 1
    assert found["aimx_spf_verdicts_total{'result': 'none'}"] == 3
    assert found["aimx_smtp_sessions_total"] == 4
    assert found["aimx_smtp_connections_accepted_total"] == 4
    assert found["aimx_smtp_connections"] == 0
    assert found["aimx_inbound_reading_seconds_count"] == 3
    assert found["aimx_inbound_message_bytes_count"] == 3
    assert found["aimx_dns_queries_total{'outcome': 'no_record'}"] >= 1
    assert found["aimx_processes{'role': 'placer'}"] == 1
    assert found["aimx_processes{'role': 'inbound'}"] == 2
    assert found["aimx_condition{'type': 'Ready', 'status': 'True'}"] == 1
    assert found["aimx_generation"] == found["aimx_engine_generation"] == 1


@pytest.mark.parametrize("role", ["inbound", "placer"])
def test_no_counter_goes_back_when_a_process_dies(served: Served, role: str) -> None:
    assert served.instance.deliver(message("one"), "info@example.com") == 250
    before = served.counted()
    victims = served.instance.pids(role)

    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    died = f"aimx_process_deaths_total{{'role': '{role}'}}"
    running = f"aimx_processes{{'role': '{role}'}}"

    def replaced() -> bool:
        try:
            found = served.numbers()
        except (OSError, http.client.HTTPException):
            return False
        return found[died] == len(victims) and found[running] == before[running]

    until(replaced, "successors that are counted")
    assert served.instance.deliver(message("two"), "info@example.com") == 250
    after = served.counted()
    assert after["aimx_inbound_messages_total{'outcome': 'kept'}"] == 2
    assert after["aimx_placing_requests_total{'outcome': 'placed'}"] == 2
    counted = [name for name in before if "_total" in name or "_count" in name]
    assert [name for name in counted if after[name] < before[name]] == []


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """They are there, and do nothing."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("role", ["placer", "outbound", "inbound"])
def test_a_process_that_does_not_turn_is_named_by_the_health_page(served: Served, role) -> None:
    with stopped(served.instance.pids(role)[:1]):
        named = (503, f"{role} does not answer\n")
        # Where the machine is slow, others may not answer in time either.
        until(lambda: served.get("/healthz") == named, "it alone to be named")
        silent = f"aimx_processes_silent{{'role': '{role}'}}"
        until(lambda: served.numbers()[silent] == 1, "it to be counted")

    until(lambda: served.get("/healthz") == (200, "ok\n"), "it to answer again")


def test_where_nobody_may_read_the_request_root_refuses_it_unread(served: Served) -> None:
    with stopped(served.instance.pids("inbound")):
        found = {served.get(path)[0] for path in ("/healthz", "/readyz", "/metrics", "/x")}

    assert found == {503}


def connection(client: socket.socket) -> tuple[int, int] | None:
    """The other end of it, as proc_net_tcp(5) shows it: octets that nobody has read, and inode.

    None while nobody has accepted it, for it has no inode then.
    """
    ours = client.getsockname()[1]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if int(words[2].partition(":")[2], 16) == ours and words[9] != "0":
            return int(words[4].partition(":")[2], 16), int(words[9])
    return None


def holds(pid: int, inode: int) -> bool:
    found = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            found.append(os.readlink(each))
    return f"socket:[{inode}]" in found


def handed_on(served: Served, request: bytes) -> tuple[int, int] | None:
    """A connection once the supervisor has let go of it, and before anybody else reads from it.

    Who is stopped keeps the supervisor waiting. None: it had to refuse, since the one that is to be
    handed the connection was stopped before it could say that it is there.
    """
    one, *others = served.instance.pids("inbound")
    with stopped([one]), socket.create_connection(("127.0.0.1", served.port), 30) as client:
        client.sendall(request)
        _, inode = until(lambda: connection(client), "the connection to be accepted")
        with stopped(others):
            until(lambda: not holds(served.instance.daemon.pid, inode), "it to be handed on")
            found = connection(client)
        return found if client.recv(15) == b"HTTP/1.1 200 OK" else None


def test_root_hands_a_request_on_without_reading_a_byte_of_it(served: Served) -> None:
    request = b"GET /metrics HTTP/1.1\r\nHost: mx\r\n\r\n"

    unread, _ = until(lambda: handed_on(served, request), "a connection that is handed on")

    assert unread == len(request)


def test_an_engine_that_cannot_send_is_not_ready_and_says_why(served: Served) -> None:
    assert served.get("/readyz") == (200, "ready\n")
    for key in (served.instance.base / "config" / "dkim").rglob("*.key"):
        key.write_text("no key")

    served.instance.stop()
    served.instance.serve()
    until(served.answers, "the metrics")

    code, text = served.get("/readyz")
    assert code == 503
    assert text.startswith("Ready: ")
    until(lambda: served.get("/healthz") == (200, "ok\n"), "all to answer")


def test_what_goes_out_is_counted_and_what_waits_is_shown(served: Served) -> None:
    nowhere = f'[outbound]\nmode = "queue"\nrelay = "smtp://127.0.0.1:{served.reserve()}"\n'
    served.declare(nowhere)
    until(lambda: served.instance.status()["engine_generation"] == 2, "generation 2")
    body = b"From: info@example.com\nTo: bob@example.net, eve@example.net\nSubject: hi\n\nHi\n"
    uid = pwd.getpwnam(owner()).pw_uid if os.geteuid() == 0 else -1

    served.instance.ask("SEND", {"Content-Length": str(len(body))}, body, uid=uid)

    deferred = "aimx_outbound_recipients_total{'outcome': 'deferred'}"
    found = until(lambda: (it := served.numbers())[deferred] >= 2 and it, "an attempt")
    assert found["aimx_submissions_total{'answer': 'sent'}"] == 1
    assert found["aimx_outbound_attempts_total{'outcome': 'deferred'}"] >= 1
    assert found["aimx_outbound_signing_seconds_count"] == 1
    assert found["aimx_queue_messages{'state': 'deferred'}"] == 1
    assert found["aimx_queue_messages{'state': 'held'}"] == 0
    assert found["aimx_queue_oldest_seconds{'state': 'deferred'}"] > 0


def test_where_the_numbers_are_is_edited_while_it_runs(served: Served) -> None:
    before = served.port
    served.port = served.reserve()

    served.declare()

    until(served.answers, "the new address")
    until(lambda: refuses(before), "the old address to be left")


def test_an_address_that_is_taken_is_refused_and_the_one_before_stays(served: Served) -> None:
    good = served.port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        served.port = taken.getsockname()[1]
        served.declare()
        until(lambda: served.instance.has("Converged", "False"), "the refusal")
        why = served.instance.condition("Converged")["message"]

    assert "address already in use. Stop what listens there, or set [metrics] bind" in why
    served.port = good
    assert served.answers()


def test_mail_does_not_wait_for_the_address_of_the_metrics(make) -> None:
    served = Served(make())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        served.port = taken.getsockname()[1]
        served.declare()

        served.instance.serve()

        assert served.instance.deliver(message("one"), "info@example.com") == 250
        assert "metrics not served" in served.instance.log
        # Another edit is not refused for what could not be had before either.
        served.declare('[log]\nlevel = "debug"\n')
        until(lambda: served.instance.status()["engine_generation"] == 2, "generation 2")


@pytest.fixture
def idle(served: Served) -> Iterator[list[socket.socket]]:
    """More connections than one process answers at a time, none of which says anything."""
    with ExitStack() as held:
        yield [
            held.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=30))
            for _ in range(20)
        ]


def test_who_says_nothing_is_sent_away_and_everybody_else_is_served(served, idle) -> None:
    until(served.answers, "an answer beside them")

    assert served.instance.deliver(message("one"), "info@example.com") == 250
    for each in idle:
        said = each.recv(100)
        assert said == b"" or said.startswith(b"HTTP/1.1 503 ")


def refuses(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) != 0
