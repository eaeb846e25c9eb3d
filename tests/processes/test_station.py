import asyncio
import os
import socket

import pytest

from aimx.processes import station


@pytest.mark.usefixtures("refusing_kernel")
@pytest.mark.parametrize("role", ["inbound", "outbound"])
def test_no_worker_passes_the_supervisor_a_descriptor_that_takes_long_to_close(
    monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    theirs: list[int] = []
    monkeypatch.setattr(
        station, "start", lambda _, descriptors, __: theirs.append(os.dup(descriptors["control"]))
    )

    _, ours = asyncio.run(station._started(role, {}, None))

    with socket.socket(fileno=theirs[0]) as worker:
        with pytest.raises(PermissionError):
            socket.send_fds(worker, [b"one"], [0])
        assert worker.send(b"none") == 4
    ours.close()
