"""Which hooks of a mailbox a message that came in may fire, and why the others stay quiet."""

from __future__ import annotations

from collections.abc import Iterable

from aimx.snapshot import Hook
from desired.frozen import frozen


@frozen
class Quiet:
    """A hook that does not run on a message."""

    hook: str
    reason: str


@frozen
class Choice:
    """What is to become of all hooks of one event."""

    fires: tuple[str, ...]
    quiet: tuple[Quiet, ...] = ()


def choose(hooks: Iterable[Hook], trusted: str, distrust: str, automated: str) -> Choice:
    """`distrust` says why it is not trusted; `automated` why no person wrote it, if so."""
    fires: list[str] = []
    quiet: list[Quiet] = []
    for hook in hooks:
        reason = _obstacle(hook, trusted, distrust, automated)
        if reason:
            quiet.append(Quiet(hook.name, reason))
        else:
            fires.append(hook.name)
    return Choice(tuple(fires), tuple(quiet))


def _obstacle(hook: Hook, trusted: str, distrust: str, automated: str) -> str:
    if trusted != "true" and not hook.fire_on_untrusted:
        return f"the message is not trusted: {distrust or 'the mailbox trusts nobody'}"
    if automated and not hook.fire_on_automated:
        return f"the message is automated: {automated}"
    return ""
