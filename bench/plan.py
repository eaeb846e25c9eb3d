"""How long `aimx plan` takes with nothing to do, and `aimx apply` for a thousand new mailboxes.

The peers, in turn with it. For a plan: a bare process that parses the same manifest and looks at
the same paths, once each; and `systemd-tmpfiles --create` over the same directories, where there is
one. For an apply: a bare process that makes the same directories and flushes each of their parents
once; and `systemd-tmpfiles --create`, which flushes nothing. Where the path of a `pyinfra` is given
it makes a tenth of them, once, since it takes so long.
"""

from __future__ import annotations

import argparse
import json
import pwd
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from figures import table
from instance import AIMX, Instance, ground, owner
from machine import machine
from whole import HEADS, Whole

DOMAINS = [f"d{number}.example" for number in range(100)]
NEW = 1_000  # Mailboxes that an apply makes.

LEAST = """
import os, sys, tomllib
with open(sys.argv[1], "rb") as file:
    manifest = tomllib.load(file)
for address in manifest["mailboxes"]:
    local, _, domain = address.partition("@")
    for folder in ("inbox", "sent"):
        os.lstat(f"{sys.argv[2]}/{domain}/{folder}/{local}")
"""

MAKE = """
import os, pwd, sys, tomllib
with open(sys.argv[1], "rb") as file:
    manifest = tomllib.load(file)
parents = set()
for address, mailbox in manifest["mailboxes"].items():
    local, _, domain = address.partition("@")
    account = pwd.getpwnam(mailbox["owner"])
    for folder in ("inbox", "sent"):
        parent = f"{sys.argv[2]}/{domain}/{folder}"
        os.makedirs(parent, exist_ok=True)
        os.mkdir(f"{parent}/{local}", 0o700)
        os.chown(f"{parent}/{local}", account.pw_uid, account.pw_gid)
        parents.add(parent)
for parent in parents:
    descriptor = os.open(parent, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="runs of each (7)")
    parser.add_argument(
        "--large", action="store_true", help="with 100,000 mailboxes too, which takes minutes"
    )
    parser.add_argument("--pyinfra", metavar="PATH", help="its program, to be run once")
    options = parser.parse_args()
    sizes = [1_000, 10_000, *([100_000] if options.large else [])]
    with machine(), ground() as base:
        domains = _with_domains(base / "domains")
        for size in sizes:
            rows = _nothing_to_do(base, domains, _mailboxes(size), options.rounds)
            table(f"A plan with nothing to do, {size:,} mailboxes", HEADS, rows)
        rows = _to_make(base, domains, options.rounds)
        table(f"An apply that makes {NEW:,} mailboxes", HEADS, rows)
        if options.pyinfra:
            rows = _beside_pyinfra(base, domains, options.pyinfra)
            table(f"An apply that makes {NEW // 10:,} mailboxes", HEADS, rows)


def _mailboxes(size: int) -> list[str]:
    return [f"agent{number}@{DOMAINS[number % len(DOMAINS)]}" for number in range(size)]


def _with_domains(base: Path) -> Instance:
    """All domains, and no mailbox: making a hundred keys is nothing that is to be measured."""
    instance = Instance(base)
    instance.declare([], DOMAINS)
    begun = time.perf_counter()
    instance.command("apply", "--yes")
    print(f"{len(DOMAINS)} domains made in {time.perf_counter() - begun:.1f} s", flush=True)
    return instance


def _like(domains: Instance, base: Path) -> Instance:
    """Another instance with the same domains, keys and port: what is declared next is the edit."""
    shutil.copytree(domains.base, base)
    return Instance(base, reserved=domains.reserved)


def _nothing_to_do(
    base: Path, domains: Instance, mailboxes: Sequence[str], rounds: int
) -> list[list[str]]:
    instance = _like(domains, base / str(len(mailboxes)))
    instance.declare(mailboxes, DOMAINS)
    Whole("", [sys.executable, "-c", MAKE, instance.manifest, instance.base / "data"]).run()
    instance.command("apply", "--yes")
    least = _bare("parse and look", LEAST, instance)
    alone = Whole("aimx plan, none runs", [AIMX, "plan"], instance.environment)
    tmpfiles = _tmpfiles(mailboxes, instance.base / "data")
    _in_turn([alone, least, *tmpfiles], rounds)
    rows = [each.row(least) for each in (alone, least, *tmpfiles)]
    again = _bare("parse and look, beside the daemon", LEAST, instance)
    asking = Whole("aimx plan, a daemon runs", [AIMX, "plan"], instance.environment)
    with instance.serving():
        _in_turn([asking, again], rounds)
    rows += [each.row(again) for each in (asking, again)]
    kept = instance.base / "before.toml"
    shutil.copyfile(instance.manifest, kept)
    before = _bare("parse and look, before the edit", LEAST, instance, kept)
    instance.declare([*mailboxes, f"more@{DOMAINS[0]}"], DOMAINS)
    more = Whole("aimx plan, one mailbox more", [AIMX, "plan"], instance.environment)
    _in_turn([more, before], rounds)
    return [*rows, *(each.row(before) for each in (more, before))]


def _to_make(base: Path, domains: Instance, rounds: int) -> list[list[str]]:
    """Each run makes the same directories in a fresh place, and each comes first in its turn: the
    one that does finds the disk busy with the places that were made for all."""
    runs: list[list[Whole]] = []
    for number in range(rounds):
        makers = _makers(base / f"make{number}", domains)
        first = number % len(makers)
        for whole in makers[first:] + makers[:first]:
            whole.run()
        runs.append(makers)
    told = [_together(each) for each in zip(*runs, strict=True)]
    return [whole.row(told[1]) for whole in told]


def _makers(base: Path, domains: Instance) -> list[Whole]:
    first = f"first@{DOMAINS[0]}"
    mailboxes = [first, *_mailboxes(NEW)]
    places = [_like(domains, base / name) for name in ("aimx", "bare", "tmpfiles")]
    # What was applied last was applied here, as it is anywhere but in a copy.
    places[0].declare([first], DOMAINS)
    places[0].command("apply", "--yes")
    for instance in places:
        instance.declare(mailboxes, DOMAINS)
    apply = Whole("aimx apply --yes", [AIMX, "apply", "--yes"], places[0].environment)
    bare = _bare("mkdir, and fsync of each parent", MAKE, places[1])
    return [apply, bare, *_tmpfiles(mailboxes, places[2].base / "data")]


DEPLOY = """
import json
from pyinfra.operations import files
with open({paths!r}) as file:
    for path in json.load(file):
        files.directory(name=path, path=path, user={owner!r}, mode="700")
"""


def _beside_pyinfra(base: Path, domains: Instance, program: str) -> list[list[str]]:
    mailboxes = _mailboxes(NEW // 10)
    ours, theirs = (_like(domains, base / name) for name in ("beside", "pyinfra"))
    ours.declare(mailboxes, DOMAINS)
    data, paths = theirs.base / "data", theirs.base / "paths.json"
    split = [address.partition("@") for address in mailboxes]
    folders = ("inbox", "sent")
    paths.write_text(json.dumps([f"{data}/{d}/{f}/{n}" for n, _, d in split for f in folders]))
    deploy = theirs.base / "deploy.py"
    deploy.write_text(DEPLOY.format(paths=str(paths), owner=owner()))
    apply = Whole("aimx apply --yes", [AIMX, "apply", "--yes"], ours.environment)
    pyinfra = Whole("pyinfra @local", [program, "-y", "@local", deploy])
    for whole in (apply, pyinfra):
        whole.run()
    return [whole.row(apply) for whole in (apply, pyinfra)]


def _together(runs: Sequence[Whole]) -> Whole:
    first = runs[0]
    for each in runs[1:]:
        first.milliseconds.values += each.milliseconds.values
        first.computed.values += each.computed.values
        first.megabytes = max(first.megabytes, each.megabytes)
    return first


def _bare(name: str, program: str, instance: Instance, manifest: Path | None = None) -> Whole:
    read, data = manifest or instance.manifest, instance.base / "data"
    return Whole(name, [sys.executable, "-c", program, read, data])


def _tmpfiles(mailboxes: Sequence[str], data: Path) -> list[Whole]:
    """The same directories, made by systemd's own tool; none where it is not installed."""
    program = shutil.which("systemd-tmpfiles")
    if program is None:
        return []
    account = pwd.getpwnam(owner())
    lines = [
        f"d {data}/{domain}/{folder}/{local} 0700 {account.pw_uid} {account.pw_gid}\n"
        for local, _, domain in (address.partition("@") for address in mailboxes)
        for folder in ("inbox", "sent")
    ]
    with tempfile.NamedTemporaryFile(
        "w", dir=data.parent, suffix=".conf", delete=False
    ) as configuration:
        configuration.writelines(lines)
    return [Whole("systemd-tmpfiles --create", [program, "--create", configuration.name])]


def _in_turn(all_of_them: Sequence[Whole], rounds: int) -> None:
    for whole in all_of_them:  # What the file system does not know yet.
        whole.run()
        whole.milliseconds.values.clear()
        whole.computed.values.clear()
    for _ in range(rounds):
        for whole in all_of_them:
            whole.run()


if __name__ == "__main__":
    main()
