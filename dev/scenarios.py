"""What an apply that is struck has to do: the instance as it is before, and the command."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from commands import run
from found import MESSAGE

OWNER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
APPLY = ("apply", "--yes", "--parallelism", "1")


def manifest(domains: Sequence[str], *mailboxes: str, rest: str = "") -> str:
    tables = (f'[mailboxes."{name}"]\nowner = "{OWNER}"\n' for name in mailboxes)
    return f"domains = {json.dumps(list(domains))}\n" + "".join(tables) + rest


def block(kind: str, mailbox: str, **what: str) -> str:
    """A `[[moved]]` or a `[[removed]]`."""
    named = {"moved": "from", "removed": "address"}[kind]
    fields = {named: mailbox, **what}
    for name in (named, "to"):
        if name in fields:
            fields[name] = f"mailbox/{fields[name]}"
    return f"[[{kind}]]\n" + "".join(f'{name} = "{value}"\n' for name, value in fields.items())


ONE, TWO = ("a.example",), ("a.example", "b.example")
INFO, OPS, REST = "info@a.example", "ops@a.example", "*@b.example"


@dataclass(frozen=True)
class Scenario:
    """What was applied before, if anything, what befell it since, and what is done now."""

    before: tuple[str, ...]
    after: str
    command: tuple[str, ...] = APPLY
    befell: Callable[[Path], None] = lambda base: None
    moving: str = ""  # The mailbox that is on its way elsewhere.
    deleted: str = ""  # The directory whose mail is to go.


def _drift(base: Path) -> None:
    (base / "config/dkim/a.example").chmod(0o755)
    (base / "config/dkim/b.example/private.key").chmod(0o644)
    (base / "config/dkim/a.example/public.key").write_bytes(b"not a key\n")
    (base / "data/a.example/inbox/info").chmod(0o755)
    (base / "data/b.example/sent").chmod(0o700)
    (base / "data/README.md").unlink()


ALL = manifest(TWO, INFO, OPS, REST)
SCENARIOS = {
    "create": Scenario((), ALL),
    "add": Scenario((manifest(ONE, INFO),), manifest(TWO, INFO, REST)),
    "move": Scenario(
        (ALL,),
        manifest(TWO, INFO, "ops@b.example", REST, rest=block("moved", OPS, to="ops@b.example")),
        moving=OPS,
    ),
    "remove": Scenario(
        (ALL,), manifest(TWO, INFO, REST, rest=block("removed", OPS, data="tombstone"))
    ),
    "delete": Scenario(
        (ALL,),
        manifest(TWO, INFO, REST, rest=block("removed", OPS, data="delete")),
        deleted="data/a.example/inbox/ops",
    ),
    # A domain with its key, and its mailbox.
    "leave": Scenario((ALL,), manifest(ONE, INFO, OPS), (*APPLY, "--allow-removals", "2")),
    "drift": Scenario((manifest(TWO, INFO, REST),), manifest(TWO, INFO, REST), befell=_drift),
}


def lay_out(scenario: Scenario, base: Path) -> None:
    """The instance as it is before the command that will be struck."""
    for name in ("config", "data", "run"):
        (base / name).mkdir(parents=True)
    for text in scenario.before:
        (base / "config/manifest.toml").write_text(text)
        done = run(base, APPLY)
        assert done.code == 0, done.output
    deliver(base)
    scenario.befell(base)
    (base / "config/manifest.toml").write_text(scenario.after)


def deliver(base: Path) -> None:
    """A message alone, and one with an attachment beside it, in each mailbox."""
    account = pwd.getpwnam(OWNER)
    for mailbox in sorted(base.glob("data/*.example/inbox/*")):
        bundle = mailbox / "2026-01-02-030406-bundle"
        bundle.mkdir(mode=0o700)
        files = (mailbox / "2026-01-02-030405-hello.md", bundle / f"{bundle.name}.md", bundle / "a")
        for file in files:
            file.write_bytes(MESSAGE + str(mailbox).encode())
            file.chmod(0o600)
        for path in (bundle, *files):
            os.chown(path, account.pw_uid, account.pw_gid)
