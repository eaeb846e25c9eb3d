import contextlib
import gc
import os
import socket
import struct
from collections.abc import Iterator

import hypothesis
import pytest

# Time never decides a test.
hypothesis.settings.register_profile("aimx", deadline=None, max_examples=60, derandomize=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("AIMX_HYPOTHESIS", "aimx"))

_SO_PASSRIGHTS = 83


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    """A command leaves its process without a collector, which is not the command's own here."""
    yield
    gc.enable()


@pytest.fixture
def refusing_kernel() -> None:
    """One that lets a socket refuse descriptors."""
    with socket.socket(socket.AF_UNIX) as asked:
        try:
            asked.getsockopt(socket.SOL_SOCKET, _SO_PASSRIGHTS)
        except OSError:
            pytest.skip("needs Linux 6.16")


@pytest.fixture
def lingering() -> Iterator[socket.socket]:
    """A connection that takes ten minutes to close: its other end does not read what waits."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = socket.create_connection(server.getsockname())
        other, _ = server.accept()
        with other:
            made.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    made.send(bytes(1 << 16))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 600))
            yield made
        made.close()
