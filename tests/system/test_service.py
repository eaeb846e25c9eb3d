"""The daemon as a service manager sees it: started, asked to look, watched, stopped."""

import os
import signal
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from time import monotonic

import pytest

from reconcilers.host.keys import new_certificate, new_private_key

PATIENCE = 60.0  # Seconds.


class Manager:
    """A service manager's socket, read at once: what finds it full is lost to a manager."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._heard = SimpleQueue[bytes]()
        self._thread = Thread(target=self._listen)
        self._thread.start()

    def next(self, line: str) -> list[str]:
        """The next message that has a line which begins so; what comes before is let go."""
        latest = monotonic() + PATIENCE
        while True:
            # The watchdog's lines go on whatever is missing.
            lines = self._heard.get(timeout=max(latest - monotonic(), 0.001)).decode().split("\n")
            if any(each.startswith(line) for each in lines):
                return lines

    def _listen(self) -> None:
        while told := self._socket.recv(4096):
            self._heard.put(told)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
            ours.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()


@pytest.fixture
def manager(instance) -> Iterator[Manager]:
    path = instance.base.with_suffix(".notify")
    manager = Manager(path)
    instance.variables["NOTIFY_SOCKET"] = str(path)
    yield manager
    manager.close()


def test_a_service_manager_hears_of_every_stage(instance, manager):
    instance.variables["WATCHDOG_USEC"] = "1000000"
    instance.declare("postmaster@example.com")

    instance.serve()
    assert manager.next("READY=1") == ["READY=1", "STATUS=generation 1"]
    for _ in range(3):
        assert manager.next("WATCHDOG=1") == ["WATCHDOG=1"]

    instance.daemon.send_signal(signal.SIGHUP)
    reloading, at = manager.next("RELOADING=1")
    assert (reloading, at.partition("=")[0]) == ("RELOADING=1", "MONOTONIC_USEC")
    assert manager.next("READY=1") == ["READY=1", "STATUS=generation 1"]

    instance.write("nonsense")
    assert manager.next("STATUS=") == [
        "STATUS=generation 1, the manifest is invalid, not converged"
    ]

    assert instance.stop() == 0
    assert manager.next("STOPPING=1")


def test_nothing_but_a_stop_ends_it(instance, manager, until):
    instance.declare("postmaster@example.com")
    instance.serve()
    manager.next("READY=1")
    workers = instance.processes()

    for _ in range(20):
        instance.daemon.send_signal(signal.SIGHUP)
    for pid in workers:
        os.kill(pid, signal.SIGHUP)
    manager.next("READY=1")

    until(lambda: instance.has("Converged", "True"), "convergence")
    assert instance.accepts("postmaster@example.com")
    assert instance.processes() == workers
    assert instance.stop() == 0


def test_a_hangup_while_it_ends_does_not_cut_that_short(instance, manager):
    instance.declare("postmaster@example.com")
    instance.serve()
    (placer,) = instance.pids("placer")
    os.kill(placer, signal.SIGSTOP)  # It is waited for.

    instance.daemon.send_signal(signal.SIGTERM)
    manager.next("STOPPING=1")
    instance.daemon.send_signal(signal.SIGHUP)
    os.kill(placer, signal.SIGCONT)

    assert instance.daemon.wait(PATIENCE) == 0
    instance.daemon = None


def certify(instance, name: str) -> bytes:
    """Put a new certificate where the manifest says; gives it as it goes over the wire."""
    key = new_private_key()
    certificate = new_certificate(name, key, datetime.now(UTC))
    directory = instance.base / "certificates"
    directory.mkdir(exist_ok=True)
    (directory / "key.pem").write_bytes(key)
    (directory / "cert.pem").write_bytes(certificate)
    return ssl.PEM_cert_to_DER_cert(certificate.decode())


def shown(instance) -> bytes:
    """The certificate that a client sees."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with instance.session() as session:
        session.starttls(context=context)
        found = session.sock.getpeercert(binary_form=True)
        session.ehlo()
        return found


@pytest.mark.parametrize("broken", [False, True], ids=["whole", "manifest-invalid"])
def test_a_renewed_certificate_is_shown_after_a_hangup(instance, until, broken):
    files = instance.base / "certificates"
    tls = f'[tls]\nmode = "files"\ncert = "{files}/cert.pem"\nkey = "{files}/key.pem"\n'
    first = certify(instance, "one.example")
    instance.declare("postmaster@example.com", rest=tls)
    instance.serve()
    assert shown(instance) == first

    if broken:
        instance.write("nonsense")
        until(lambda: instance.has("ManifestValid", "False"), "the manifest to be found broken")
    second = certify(instance, "two.example")
    instance.daemon.send_signal(signal.SIGHUP)

    until(lambda: shown(instance) == second, "the new certificate to be shown")
