"""What must hold of hooks, over the whole manifest."""

from __future__ import annotations

from collections.abc import Iterator

from desired.draft import DeclaredMailbox, Draft
from desired.finding import Finding, where
from desired.frozen import frozen
from desired.layers import Layers, hook_name
from desired.problem import KeyPath
from desired.schema import HookTable

_COMMAND = 'write the program and its arguments: cmd = ["/usr/bin/notify", "new mail"]'


@frozen
class _Hook:
    """A hook with its mailbox and its place."""

    mailbox: DeclaredMailbox
    path: KeyPath
    table: HookTable

    def wrong(self, key: str, code: str, text: str, hint: str = "") -> Finding:
        return Finding(self.mailbox.source, (*self.path, key), code, text, hint)

    @property
    def label(self) -> str:
        return self.table.name.text if self.table.name else "<anonymous>"


def _hooks(draft: Draft) -> Iterator[_Hook]:
    for mailbox in draft.hooked:
        for index, table in enumerate(mailbox.table.hooks):
            yield _Hook(mailbox, (*mailbox.path, "hooks", index), table)


def a_catchall_has_no_hooks(draft: Draft) -> Iterator[Finding]:
    """Anybody may write to it under any name."""
    for mailbox in draft.hooked:
        if mailbox.name.is_catchall:
            text = (
                f"mailbox '{mailbox.name}' is the catchall but has hooks attached;"
                " catchall does not support hooks"
            )
            path = (*mailbox.path, "hooks")
            yield Finding(mailbox.source, path, "catchall-hooks", text, meant="key")


def a_hook_names_its_program(draft: Draft) -> Iterator[Finding]:
    """Which file runs does not depend on where the engine was started."""
    for hook in _hooks(draft):
        said = f"hook '{hook.label}' on mailbox '{hook.mailbox.name}'"
        cmd = hook.table.cmd
        if not cmd:
            yield hook.wrong("cmd", "hook-command", f"{said} has empty `cmd`", _COMMAND)
        elif not cmd[0].strip():
            yield hook.wrong("cmd", "hook-command", f"{said} has blank `cmd[0]`", _COMMAND)
        elif not cmd[0].startswith("/"):
            text = (
                f"{said} has non-absolute `cmd[0]` '{cmd[0]}': hooks fire from /var/lib/aimx/... so"
                " PATH lookup is brittle; use an absolute path (e.g. `/bin/echo` instead of `echo`)"
            )
            yield hook.wrong("cmd", "hook-command", text)
        elif any("\0" in argument for argument in cmd):
            yield hook.wrong("cmd", "hook-command", f"{said} has a NUL character in `cmd`")


def what_is_sent_is_never_untrusted(draft: Draft) -> Iterator[Finding]:
    """`fire_on_untrusted` speaks of senders, and after sending there is only our own."""
    for hook in _hooks(draft):
        if hook.table.fire_on_untrusted and hook.table.event != "on_receive":
            text = (
                f"hook '{hook.label}' on mailbox '{hook.mailbox.name}' sets"
                f" `fire_on_untrusted = true` on event '{hook.table.event}':"
                " fire_on_untrusted is on_receive only"
            )
            yield hook.wrong("fire_on_untrusted", "hook-untrusted", text)


def a_hook_name_is_used_once(draft: Draft) -> Iterator[Finding]:
    """Names are unique over the install: a command names a hook without its mailbox."""
    first: dict[str, _Hook] = {}
    for hook in _hooks(draft):
        makes = ("name",) if hook.table.name else ("name", "event", "cmd")
        if not draft.is_written(hook.mailbox.source, *((*hook.path, key) for key in makes)):
            continue
        name = hook_name(hook.table).text
        earlier = first.setdefault(name, hook)
        if earlier is hook:
            continue
        text = (
            f"duplicate hook name '{name}' on mailboxes '{earlier.mailbox.name}' and"
            f" '{hook.mailbox.name}': hook names must be globally unique"
        )
        place = where(earlier.mailbox.source, earlier.path)
        derived = "" if hook.table.name and earlier.table.name else "; give each its own `name`"
        yield hook.wrong("name", "duplicate", text, f"the first stands at {place}{derived}")


def a_hook_can_fire(draft: Draft) -> Iterator[Finding]:
    """Where nobody is trusted, only a hook for untrusted mail ever runs."""
    layers = Layers(draft)
    for hook in _hooks(draft):
        if hook.table.event != "on_receive" or hook.table.fire_on_untrusted:
            continue
        if layers.trust(hook.mailbox) == "none":
            text = (
                f"hook '{hook.label}' on mailbox '{hook.mailbox.name}' never fires: trust is"
                ' "none", and it does not fire on untrusted mail'
            )
            hint = 'set `trust = "verified"`, or `fire_on_untrusted = true`'
            source = hook.mailbox.source
            yield Finding(source, hook.path, "hook-never-fires", text, hint, "warning")


RULES = (
    a_catchall_has_no_hooks,
    a_hook_names_its_program,
    what_is_sent_is_never_untrusted,
    a_hook_name_is_used_once,
    a_hook_can_fire,
)
