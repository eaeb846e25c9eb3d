"""What an apply that is struck has to do: the instance as it is before, and the command."""

from __future__ import annotations

import json
import os
import pwd
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .commands import run
from .found import MESSAGE

OWNER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
_SO = ("--yes", "--parallelism", "1")
APPLY = ("apply", *_SO)


def manifest(domains: Sequence[str], *mailboxes: str, rest: str = "") -> str:
    tables = (f'[mailboxes."{name}"]\nowner = "{OWNER}"\n' for name in mailboxes)
    return f"domains = {json.dumps(list(domains))}\n" + "".join(tables) + rest


OLDER = f"""\
domain = "a.example"
[mailboxes.info]
address = "info@a.example"
owner = "{OWNER}"
[mailboxes.help]
address = "ops@a.example"
owner = "{OWNER}"
"""


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
    after: str  # The manifest then; none where it is empty.
    command: tuple[str, ...] = APPLY
    befell: Callable[[Path], None] = lambda base: None
    # Whether it has come so far that another command finishes it, and which.
    finish: Callable[[Path], bool] = lambda base: False
    finishing: tuple[str, ...] = APPLY
    again: tuple[str, ...] = APPLY  # What changes nothing afterwards.
    # Whether another one can tell that it was killed. Where not, one that is killed before its last
    # flush leaves the other nothing to do, and a power cut may take both back to before.
    journalled: bool = True
    moving: str = ""  # The mailbox that is on its way elsewhere.
    deleted: str = ""  # The directory whose mail is to go.

    def next(self, base: Path) -> tuple[str, ...]:
        """What finishes it after it was struck."""
        return self.finishing if self.finish(base) else self.command


def _is_pinned(base: Path) -> bool:
    """Once it is, whatever applies goes back; before, nothing has been done."""
    return (base / "data/.aimx/pin.json").exists()


def _is_back(base: Path) -> bool:
    """Once the tombstone is gone, nobody can ask for it any more."""
    return not list((base / "data/.aimx/tombstones").glob(f"{TOMBSTONE}*"))


def _has_manifest(base: Path) -> bool:
    return (base / "config/manifest.toml").exists()


def _has_second_domain(base: Path) -> bool:
    return "b.example" in (base / "config/manifest.toml").read_text()


def _has_one_domain(base: Path) -> bool:
    return not _has_second_domain(base)


def _is_lifted(base: Path) -> bool:
    """Nothing is left that could be lifted."""
    return not any(
        (base / "data/.aimx" / name).exists() for name in ("pin.json", "suspension.json")
    )


def _retire(base: Path) -> None:
    """A mailbox leaves with its mail, and comes again without."""
    for text in (_WITHOUT_OPS, ALL):
        (base / "config/manifest.toml").write_text(text)
        applied(base)


def _hold(base: Path) -> None:
    """An earlier generation is pinned, and nothing is applied by itself."""
    applied(base, ("rollback", "1", "--yes", "--allow-removals", "1"))
    applied(base, ("suspend", "--for", "2h"))


def _spoil(base: Path) -> None:
    manifest = base / "config/manifest.toml"
    manifest.write_text(manifest.read_text().replace(" = ", "="))


def _age(base: Path) -> None:
    """It is an install of layout 1, and one of its mailboxes goes by another name."""
    config, data = base / "config", base / "data"
    for name in ("inbox", "sent"):
        (data / "a.example" / name).rename(data / name)
        (data / name / "ops").rename(data / name / "help")
    for name in ("private.key", "public.key"):
        (config / "dkim/a.example" / name).rename(config / "dkim" / name)
    for gone in (config / "dkim/a.example", config / "tls", data / "a.example", data / ".aimx"):
        shutil.rmtree(gone)
    for gone in (data / ".layout-version", data / "README.md", config / "manifest.toml"):
        gone.unlink()
    (config / "config.toml").write_text(OLDER)


def _drift(base: Path) -> None:
    (base / "config/dkim/a.example").chmod(0o755)
    (base / "config/dkim/b.example/private.key").chmod(0o644)
    (base / "config/dkim/a.example/public.key").write_bytes(b"not a key\n")
    (base / "data/a.example/inbox/info").chmod(0o755)
    (base / "data/b.example/sent").chmod(0o700)
    (base / "data/README.md").unlink()


_A_SIGNS, _B_SIGNS = (
    f'[domain."{name}"]\ndkim = {{ algorithms = ["rsa-sha256", "ed25519-sha256"] }}\n'
    for name in TWO
)
ALL = manifest(TWO, INFO, OPS, REST)
_MOVED = manifest(TWO, INFO, "ops@b.example", REST, rest=block("moved", OPS, to="ops@b.example"))
_WITHOUT_OPS = manifest(TWO, INFO, REST, rest=block("removed", OPS, data="tombstone"))
TOMBSTONE = f"{OPS}.2"
DOWN = ("rollback", "--layout", "1", "--yes")
SCENARIOS = {
    "create": Scenario((), ALL),
    # A domain that signs with two keys, and a second key of one that is there.
    "add": Scenario(
        (manifest(ONE, INFO),), manifest(TWO, INFO, REST, rest=f"{_A_SIGNS}{_B_SIGNS}")
    ),
    "move": Scenario((ALL,), _MOVED, moving=OPS),
    "remove": Scenario((ALL,), _WITHOUT_OPS),
    "delete": Scenario(
        (ALL,),
        manifest(TWO, INFO, REST, rest=block("removed", OPS, data="delete")),
        deleted="data/a.example/inbox/ops",
    ),
    # A domain with its key, and its mailbox.
    "leave": Scenario((ALL,), manifest(ONE, INFO, OPS), (*APPLY, "--allow-removals", "2")),
    # The same by commands, which edit the manifest first: once it says so, an apply finishes it.
    "domains-add": Scenario(
        (manifest(ONE, INFO),), "", ("domains", "add", "b.example", *_SO), finish=_has_second_domain
    ),
    "domains-remove": Scenario(
        (ALL,), "", ("domains", "remove", "b.example", "--force", *_SO), finish=_has_one_domain
    ),
    # A move is taken back, and what came since leaves.
    "rollback": Scenario(
        (manifest(TWO, INFO, OPS), _MOVED),
        _MOVED,
        ("rollback", "1", "--yes", "--allow-removals", "1"),
        finish=_is_pinned,
        moving="ops@b.example",
    ),
    "migrate": Scenario((manifest(ONE, INFO, OPS),), "", befell=_age),
    "downgrade": Scenario((manifest(ONE, INFO, OPS),), "", DOWN, again=DOWN),
    "restore": Scenario(
        (ALL,), "", ("tombstones", "restore", OPS, "--yes"), _retire, finish=_is_back, moving=OPS
    ),
    "purge": Scenario(
        (ALL,),
        "",
        ("tombstones", "purge", OPS, "--yes"),
        _retire,
        finish=_is_back,
        deleted="data/.aimx/tombstones",
    ),
    "suspend": Scenario((ALL,), "", ("suspend", "--for", "2h"), journalled=False),
    "resume": Scenario(
        (manifest(TWO, INFO, OPS), ALL),
        "",
        ("resume",),
        _hold,
        finish=_is_lifted,
        finishing=("plan",),
        again=("plan",),
        journalled=False,
    ),
    "fmt": Scenario((ALL,), "", ("fmt",), _spoil, journalled=False),
    "init": Scenario(
        (),
        "",
        ("init",),
        finish=_has_manifest,
        finishing=("validate",),
        again=("validate",),
        journalled=False,
    ),
    "drift": Scenario((manifest(TWO, INFO, REST),), manifest(TWO, INFO, REST), befell=_drift),
}


def lay_out(scenario: Scenario, base: Path) -> None:
    """The instance as it is before the command that will be struck."""
    for name in ("config", "data", "run"):
        (base / name).mkdir(parents=True)
    for text in scenario.before:
        (base / "config/manifest.toml").write_text(text)
        applied(base)
    deliver(base)
    scenario.befell(base)
    if scenario.after:
        (base / "config/manifest.toml").write_text(scenario.after)


def applied(base: Path, command: Sequence[str] = APPLY) -> None:
    done = run(base, command)
    assert done.code == 0, done.output


def deliver(base: Path) -> None:
    """A message alone, and one with an attachment beside it, in each mailbox."""
    account = pwd.getpwnam(OWNER)
    for mailbox in sorted(base.glob("data/*.example/inbox/*")):
        bundle = mailbox / "2026-01-02-030406-bundle"
        bundle.mkdir(mode=0o700)
        files = (mailbox / "2026-01-02-030405-hello.md", bundle / f"{bundle.name}.md", bundle / "a")
        for file in files:
            file.write_bytes(MESSAGE + bytes(mailbox.relative_to(base)))
            file.chmod(0o600)
        for path in (bundle, *files):
            os.chown(path, account.pw_uid, account.pw_gid)
