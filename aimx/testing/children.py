"""The processes that a server has started, by what they do: to look at one, or to end it."""

from __future__ import annotations

from pathlib import Path

_ROOM = b"aimx.processes."


def children(server: int) -> dict[int, str]:
    """By pid, the name of its module: `inbound`, `placer`; empty where another program runs."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            # Behind the program's name, which may hold anything: the state, then the parent.
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # It is gone by now.
        if int(parent) == server:
            module = next((word for word in words if word.startswith(_ROOM)), b"")
            found[int(entry.name)] = module.removeprefix(_ROOM).decode()
    return found
