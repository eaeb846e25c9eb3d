import gc
import os
import socket
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
