"""What systemd is given: the server's unit, and the users of its workers.

systemd.unit(5), systemd.exec(5), sysusers.d(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from desired.desired import ServerUsers
from reconcilers.roots import Roots

NAME = "aimx.service"
MARK = "# Written by `aimx service install`"  # What bears it is ours to replace and to remove.

_RUN = PurePosixPath("/run")
_TEMPORARY = (PurePosixPath("/tmp"), PurePosixPath("/var/tmp"))  # noqa: S108 - nothing is put there
_NOTIFIES_OF_RELOADS = 253  # The release of systemd that waits for the end of a reload.

# What the supervisor needs, and what it leaves to the placer, which drops the rest itself.
_CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "LEASE", "NET_BIND_SERVICE"),
    *("SETGID", "SETPCAP", "SETUID"),
)

# Hooks run as units of their own, and are not confined by it.
_CONFINED = (
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=read-only",
    "PrivateDevices=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
)


def unit(roots: Roots, command: Sequence[str], release: int) -> str:
    """Its text; `command` is how `aimx` is called, `release` systemd's major version.

    Raises `ValueError` where a path cannot stand in a unit.
    """
    words = [*command, "serve", *_flags(roots)]
    for each in (*words, str(roots.manifest)):
        if not each.isprintable():
            raise ValueError(f"{each!r} cannot stand in a unit")
    mounts = (roots.config, roots.data, roots.manifest.parent)
    return "\n".join(
        (
            f"{MARK}. What should differ stands in a drop-in: `systemctl edit aimx`.",
            "[Unit]",
            "Description=aimx, a mail exchanger for AI agents",
            "Wants=network-online.target",
            "After=network-online.target nss-lookup.target nss-user-lookup.target",
            f"RequiresMountsFor={_paths(_outermost(mounts))}",
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            *_kind(release),
            f"ExecStart={' '.join(_argument(word) for word in words)}",
            "WatchdogSec=60",
            "Restart=on-failure",
            "RestartSec=2",
            # The server lets clients and hooks finish; a signal to all of them would not.
            "KillMode=mixed",
            "TimeoutStopSec=90",
            # Who dies of a lack of memory is replaced by the server itself.
            "OOMPolicy=continue",
            "LimitNOFILE=65536",
            "UMask=0077",
            "",
            *_places(roots),
            *_CONFINED,
            f"CapabilityBoundingSet={' '.join(f'CAP_{name}' for name in _CAPABILITIES)}",
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        )
    )


def users(wanted: ServerUsers) -> str:
    """The users that the unprivileged processes become: made where they are missing."""
    told = {wanted.inbound: "aimx, mail that comes in", wanted.outbound: "aimx, mail that goes out"}
    lines = (f'u {name} - "{about}" - -' for name, about in told.items())
    return "\n".join((f"{MARK}.", *lines, ""))


def _flags(roots: Roots) -> Iterator[str]:
    yield from ("--config-dir", str(roots.config))
    yield from ("--data-dir", str(roots.data))
    yield from ("--runtime-dir", str(roots.runtime))
    if roots.manifest != roots.config / "manifest.toml":
        yield from ("--manifest", str(roots.manifest))


def _kind(release: int) -> Iterator[str]:
    if release >= _NOTIFIES_OF_RELOADS:
        yield "Type=notify-reload"
    else:
        yield "Type=notify"
        yield "ExecReload=/bin/kill -HUP $MAINPID"


def _places(roots: Roots) -> Iterator[str]:
    """Where it may write. One path for each tree: a link cannot lead from one mount to another."""
    writable = [roots.config, roots.data, roots.manifest.parent]
    if _RUN in roots.runtime.parents:
        yield f"RuntimeDirectory={_paths([roots.runtime.relative_to(_RUN)])}"
        # Whoever applies holds a lock in it.
        yield "RuntimeDirectoryPreserve=yes"
    else:
        writable.append(roots.runtime)
    yield f"ReadWritePaths={_paths(_outermost(writable))}"
    hidden = any(path.is_relative_to(each) for path in writable for each in _TEMPORARY)
    yield f"PrivateTmp={'no' if hidden else 'yes'}"


def _outermost(paths: Iterable[PurePosixPath]) -> list[PurePosixPath]:
    """Those that are not below another one, each once."""
    distinct = sorted(set(paths))
    return [path for path in distinct if not set(path.parents) & set(distinct)]


def _paths(paths: Iterable[PurePosixPath]) -> str:
    return " ".join(_quoted(str(path)) for path in paths)


def _argument(word: str) -> str:
    return _quoted(word).replace("$", "$$")


def _quoted(word: str) -> str:
    """One word of a line, in which `%` begins a specifier."""
    word = word.replace("%", "%%")
    if re.fullmatch(r"[^\s\"'\\;]+", word):
        return word
    return '"' + re.sub(r'(["\\])', r"\\\1", word) + '"'
