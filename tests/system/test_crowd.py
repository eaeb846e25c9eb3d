"""More clients than there may be, or than the processes of the engine can hold."""

import shutil
import socket

import pytest

FILES = 64  # That each process may have open: room for 24 clients in each of two inbound processes.
CROWD = 60
ROOM = "workers = 2\nmax_connections = 1000\nmax_connections_per_ip = 1000\n"

bounded = pytest.mark.skipif(shutil.which("prlimit") is None, reason="there is no prlimit")


@pytest.fixture
def crowd(instance):
    """Clients that have heard what they were told at once."""
    instance.declare("info@example.com", smtp=ROOM)
    instance.serve(through=("prlimit", f"--nofile={FILES}:{FILES}"))
    clients: list[tuple[socket.socket, bytes]] = []
    try:
        for _ in range(CROWD):
            client = socket.create_connection(("127.0.0.1", instance.port), 20)
            clients.append((client, client.recv(512)))
        yield instance, clients
    finally:
        for client, _ in clients:
            client.close()


@bounded
def test_who_is_one_too_many_is_told_so_and_nobody_else_loses_a_connection(crowd):
    instance, clients = crowd
    heard = [greeting[:3] for _, greeting in clients]

    assert heard.count(b"220") == 2 * (FILES * 3 // 8)
    assert heard.count(b"421") == CROWD - heard.count(b"220")
    for client, greeting in clients:
        if greeting.startswith(b"220"):
            client.sendall(b"NOOP\r\n")
            assert client.recv(512).startswith(b"250")
    assert "process died" not in instance.log
    assert '"reason": "no_process"' in instance.log


def test_who_has_hung_up_finds_a_place_at_once(instance):
    instance.declare("info@example.com", smtp="max_connections_per_ip = 1\n")
    instance.serve()

    for _ in range(50):
        with socket.create_connection(("127.0.0.1", instance.port), 20) as client:
            assert client.recv(512).startswith(b"220")
            client.sendall(b"QUIT\r\n")
            assert client.recv(512).startswith(b"221")
            assert client.recv(512) == b""
