"""What a service manager hears at its socket: a real one, as systemd has it."""

import math
import socket
from collections.abc import Iterator
from pathlib import Path
from time import monotonic_ns

import pytest

from aimx.processes.notify import Service


class Manager:
    """Hears."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)

    def heard(self) -> list[list[str]]:
        told = []
        while True:
            try:
                told.append(self._socket.recv(4096).decode().split("\n"))
            except BlockingIOError:
                return told

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path: Path) -> Iterator[tuple[Manager, str]]:
    path = str(tmp_path / "notify")
    manager = Manager(path if request.param == "path" else f"\0{path}")
    yield manager, path if request.param == "path" else f"@{path}"
    manager.close()


def test_it_hears_that_we_are_ready_and_how_we_stand(manager):
    heard, address = manager
    service = Service(address)

    service.ready("generation 1")
    service.settled("generation 1")
    service.settled("generation 2")
    service.settled("generation 2")
    service.stopping()

    assert heard.heard() == [
        ["READY=1", "STATUS=generation 1"],
        ["STATUS=generation 2"],
        ["STOPPING=1", "STATUS=stopping"],
    ]


def test_a_reload_begins_with_its_time_and_ends_with_ready(manager):
    heard, address = manager
    service = Service(address)
    before = monotonic_ns() // 1000

    service.reloading()
    service.settled("generation 1")
    service.settled("generation 1")

    (first, second), ended = heard.heard()
    assert first == "RELOADING=1"
    name, _, at = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(at) <= monotonic_ns() // 1000
    assert ended == ["READY=1", "STATUS=generation 1"]


@pytest.mark.parametrize(
    ("variables", "every"),
    [
        pytest.param({"WATCHDOG_USEC": "30000000"}, 15.0, id="half"),
        pytest.param({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}, 1.5, id="ours"),
        pytest.param({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"}, math.inf, id="another's"),
        pytest.param({"WATCHDOG_USEC": "0"}, math.inf, id="off"),
        pytest.param({"WATCHDOG_USEC": "soon"}, math.inf, id="no-number"),
        pytest.param({}, math.inf, id="none"),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_it_asks(variables, every):
    assert Service.of(variables, 7).every == every


def test_who_asked_for_no_watchdog_is_told_of_no_beat(manager):
    heard, address = manager

    Service(address).beat()
    Service(address, every=1.0).beat()

    assert heard.heard() == [["WATCHDOG=1"]]


def test_a_first_apply_asks_for_more_time_now_and_then(manager):
    heard, address = manager
    service = Service(address)

    for step in range(1, 100):
        service.starting(step, 100)

    first, *more = heard.heard()
    assert first == ["EXTEND_TIMEOUT_USEC=60000000", "STATUS=applying, step 1 of 100"]
    assert len(more) < 50


def test_a_manager_that_is_gone_or_does_not_listen_is_no_trouble(tmp_path):
    for address in ("", str(tmp_path / "gone"), "@gone"):
        Service(address, every=1.0).beat()


def test_a_manager_that_does_not_read_holds_nobody_up(manager):
    _, address = manager
    service = Service(address)

    for number in range(2000):
        service.ready(str(number))
