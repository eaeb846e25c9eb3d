"""The variables of a hook's environment, and how systemd is told them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from aimx.hooks.command import Command
from aimx.hooks.facts import Facts

# The same on every host, whatever the daemon's own is.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_QUOTED = re.compile(r'(["\\$`])')


def variables(
    command: Command, facts: Facts, stem: str, path: PurePosixPath | None
) -> dict[str, str]:
    """All but HOME, which the owner has. `path` is that of the message; None: nothing was kept."""
    told = {
        "PATH": PATH,
        "AIMX_HOOK_NAME": command.hook,
        "AIMX_EVENT": command.event,
        "AIMX_MAILBOX": command.mailbox,
        "AIMX_FROM": facts.author,
        "AIMX_TO": facts.to,
        "AIMX_SUBJECT": facts.subject,
        "AIMX_FILEPATH": str(path or ""),
        "AIMX_MESSAGE_ID": facts.message_id,
        "AIMX_ID": stem,
        "AIMX_DATE": facts.date,
    }
    if command.event == "after_send":
        told["AIMX_SEND_STATUS"] = facts.send_status
    return told


def environment_file(told: Mapping[str, str]) -> str:
    """As systemd reads it (systemd.exec(5), EnvironmentFile=): nothing in a value is special."""
    quoted = ((name, _QUOTED.sub(r"\\\1", value)) for name, value in told.items())
    return "".join(f'{name}="{value}"\n' for name, value in quoted)
