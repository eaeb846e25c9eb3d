"""The server as a service of systemd: installed, and taken away again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from aimx.controller.instance import Instance
from aimx.controller.refusal import PinError
from aimx.processes.systemd import UNITS, USERS, Systemd
from aimx.processes.unit import MARK, NAME, unit, users
from desired.problem import ManifestError
from reconcilers.host.host import ReconcileError
from reconcilers.locks import daemon_lock

_USERS_NAME = "aimx.conf"


class NotInstalledError(Exception):
    """Nothing is done; says why, and what to do."""


def text(instance: Instance, command: Sequence[str]) -> str:
    """The unit by which this host's systemd runs `aimx`, called so, for this instance."""
    systemd = Systemd.found()
    return unit(instance.roots, command, systemd.release if systemd else 0)


def install(instance: Instance, command: Sequence[str]) -> Iterator[str]:
    """Tells each thing once it is done; raises `NotInstalledError`, `SystemdError`, `OSError`."""
    systemd = _running()
    if not Path(instance.roots.engine_config).exists():
        raise NotInstalledError("nothing is applied here yet. `aimx apply` first, then this.")
    path, wanted = UNITS / NAME, text(instance, command)
    before, was_active = _ours(path), systemd.is_active(NAME)
    if not was_active:
        _require_unserved(instance)
    yield from _with_users(instance, systemd)
    if before != wanted:
        _write(path, wanted)
        yield f"Wrote {path}."
    systemd.tell("daemon-reload")
    systemd.tell("enable", "--now", NAME)
    if was_active and before != wanted:
        yield "It runs as it was started: `systemctl restart aimx` starts it anew."
    yield f"{NAME} runs, and starts with the machine. `journalctl -u aimx` shows its log."


def uninstall() -> Iterator[str]:
    """As `install`."""
    systemd, path = _running(), UNITS / NAME
    written = [each for each in (path, USERS / _USERS_NAME) if _ours(each) is not None]
    if not written:
        yield f"There is no {path}; nothing was done."
        return
    if path in written:
        systemd.tell("disable", "--now", NAME)
        yield f"Stopped {NAME}."
    for each in written:
        each.unlink()
        yield f"Removed {each}."
    systemd.tell("daemon-reload")
    yield "Manifest, keys, mail and users stay."


def _with_users(instance: Instance, systemd: Systemd) -> Iterator[str]:
    """The service users are there; a server that runs takes them within seconds."""
    try:
        wanted = users(instance.in_force().desired.users)
    except (ManifestError, PinError) as cause:
        told = "the manifest cannot be read; `aimx validate` tells why"
        raise NotInstalledError(told) from cause
    path = USERS / _USERS_NAME
    if _ours(path) != wanted:
        path.parent.mkdir(exist_ok=True)
        _write(path, wanted)
        yield f"Wrote {path}."
    systemd.make_users(path)


def _running() -> Systemd:
    systemd = Systemd.found()
    if systemd is None or not systemd.runs:
        raise NotInstalledError(
            "systemd does not run this host. `aimx service install --print` prints the unit; any"
            " other supervisor runs `aimx serve`, which stays in the foreground."
        )
    if os.geteuid() != 0:
        raise NotInstalledError("only root has services. Run it with sudo.")
    return systemd


def _require_unserved(instance: Instance) -> None:
    """Nobody serves by hand what the service is to serve."""
    try:
        with daemon_lock(instance.host, instance.roots, "aimx service install"):
            pass
    except ReconcileError as cause:
        raise NotInstalledError(str(cause)) from cause


def _ours(path: Path) -> str | None:
    """What is there; raises `NotInstalledError` where somebody else wrote it."""
    try:
        found = path.read_text(errors="replace")
    except FileNotFoundError:
        return None
    if not found.startswith(MARK):
        raise NotInstalledError(
            f"{path} was not written by this command. Move it away, or keep to it: what should"
            " differ in the unit that `--print` shows may stand in a drop-in."
        )
    return found


def _write(path: Path, content: str) -> None:
    """Whole or not at all."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(content)
    beside.chmod(0o644)
    beside.replace(path)
