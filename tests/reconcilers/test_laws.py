from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import pytest

from desired import manifest
from desired.desired import Desired
from desired.problem import Source
from reconcilers.apply import apply
from reconcilers.generations import Who, applied, leads_to, record
from reconcilers.host.faulty import Fault, Faulty, Killed
from reconcilers.host.host import Access, Account, Host, StepError
from reconcilers.host.memory import MemoryHost
from reconcilers.host.read_only import ReadOnly
from reconcilers.journal import Journal
from reconcilers.planning import plan
from reconcilers.receipt import Outcome, Receipt, Tally, final
from reconcilers.roots import Roots
from reconcilers.signing import KeyFiles, public_pem
from reconcilers.state import make_state
from reconcilers.step import Hands

ROOTS = Roots(*map(PurePosixPath, ("/etc/aimx", "/var/lib/aimx", "/run/aimx", "/etc/aimx/m.toml")))
ACCOUNTS = [
    Account(name, uid, uid)
    for uid, name in enumerate(("alice", "bob", "aimx-in", "aimx-out", "aimx-http"), start=1001)
]

BEFORE = """
domains = ["a.example", "b.example"]
[mailboxes."info@a.example"]
owner = "alice"
[mailboxes."*@b.example"]
owner = "bob"
"""
TWO_KEYS = (
    BEFORE + '[domain."a.example"]\ndkim = { algorithms = ["rsa-sha256", "ed25519-sha256"] }\n'
)
WITHOUT_INFO = BEFORE.replace('[mailboxes."info@a.example"]\nowner = "alice"\n', "")


def desired(text: str) -> Desired:
    return manifest.read([Source("manifest.toml", text.encode())]).desired


@dataclass(frozen=True, slots=True)
class Case:
    """What a machine is at, and what it shall be at."""

    before: Desired | None  # What was applied; None for a fresh machine.
    after: Desired
    lost: tuple[str, ...] = ()  # Files that somebody removed since.


CASES = {
    "fresh": Case(None, desired(BEFORE)),
    "domain-added": Case(
        desired(BEFORE.replace(', "b.example"]', "]").split('[mailboxes."*')[0]),
        desired(BEFORE),
    ),
    "mailbox-left-out": Case(desired(BEFORE), desired(WITHOUT_INFO)),
    "selector-changed": Case(desired(BEFORE), desired('dkim_selector = "s2026"\n' + BEFORE)),
    "fresh-with-two-keys": Case(None, desired(TWO_KEYS)),
    "second-key-added": Case(desired(BEFORE), desired(TWO_KEYS)),
    "second-key-left-out": Case(desired(TWO_KEYS), desired(BEFORE)),
    "both-renamed": Case(desired(TWO_KEYS), desired('dkim_selector = "s2026"\n' + TWO_KEYS)),
    "drifted": Case(
        desired(BEFORE),
        desired(BEFORE),
        lost=(
            "/etc/aimx/dkim/a.example/public.key",
            "/etc/aimx/tls/cert.pem",
            "/var/lib/aimx/README.md",
            "/var/lib/aimx/.layout-version",
        ),
    ),
}


@dataclass(slots=True)
class Engine:
    """An engine that is up, and looks at what it is asked to load."""

    running: bytes = b""
    aside: bytes = b""
    asked: list[str] = field(default_factory=list)

    def prepare(self, config: bytes) -> None:
        self.asked.append("prepare")
        self.aside = config

    def commit(self) -> None:
        self.asked.append("commit")
        self.running = self.aside

    def drop(self) -> None:
        self.asked.append("drop")
        self.aside = b""


def converge(wanted: Desired, host: Host) -> list[Receipt]:
    """Plan and apply, as whoever holds the lock does."""
    make_state(host, ROOTS)
    planned = plan(wanted, ReadOnly(host), ROOTS)
    assert not planned.blocked
    journal = Journal(host, ROOTS, leads_to(planned))
    receipts = list(apply(planned, Hands(host, Engine()), journal))
    assert [receipt.step for receipt in final(receipts)] == [step.id for step in planned.steps]
    if Tally.of(receipts, 0, leads_to(planned)).is_complete:
        who = Who(0, "root", "test")
        kept = applied(host, ROOTS, planned, receipts, document=b"{}", sources=(), who=who)
        record(host, ROOTS, kept)
    return receipts


def machine(case: Case) -> MemoryHost:
    """A machine in the state before, with mail in the mailbox that things happen to."""
    host = MemoryHost(ROOTS, accounts=ACCOUNTS)
    host.plant_directory(ROOTS.config)
    if case.before:
        converge(case.before, host)
        if "info@a.example" in case.before.mailboxes:
            mail = ROOTS.mailbox("a.example", "inbox", "info") / "2026-01-02-030405-hello.md"
            host.plant_file(mail, b"+++\n", Access(0o600, 1001, 1001))
    for path in map(PurePosixPath, case.lost):
        host.remove_file(path)
    return host


# How it came about.
ACCIDENTAL = (ROOTS.journal, ROOTS.generations)


def tree(host: MemoryHost) -> Mapping[PurePosixPath, object]:
    """All that is there, whichever keys they are."""
    return {
        path: (nature, access, b"" if path.suffix in {".key", ".pem"} else content)
        for path, (nature, access, content) in host.tree().items()
        if not any(path.is_relative_to(kept) for kept in ACCIDENTAL)
    }


def check_the_engine_can_start(host: MemoryHost) -> None:
    """It knows no domain whose key it cannot load, and no mailbox whose directory is not there."""
    config = host.read(ROOTS.engine_config)
    if config is None:
        return
    for domain in manifest.read([Source("config.toml", config)]).desired.domains:
        for algorithm in domain.selectors:
            key = KeyFiles.plain(ROOTS.keys(domain.name.ascii), algorithm).private
            public_pem(host.read(key) or b"", algorithm)


def check_the_marker_is_true(host: MemoryHost, complete: MemoryHost) -> None:
    """It stands only where every directory of the layout does."""
    if host.look(ROOTS.marker) is None:
        return
    there, wanted = host.tree(), complete.tree()
    for path in (ROOTS.identities, ROOTS.tombstones, ROOTS.placing, ROOTS.spool, ROOTS.outbound):
        assert there[path] == wanted[path]


cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@cases
def test_applying_twice_changes_nothing(case: Case) -> None:
    host = machine(case)
    receipts = converge(case.after, host)
    assert {receipt.outcome for receipt in receipts} <= {Outcome.DONE}

    again = plan(case.after, ReadOnly(host), ROOTS)

    assert again.is_empty
    assert not again.steps


# To be killed after a change is to be killed before the next.
FAULTS = (Fault.KILLED_BEFORE, Fault.REFUSED, Fault.FAILED_AFTER, Fault.FULL)


@cases
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.lower())
def test_an_apply_that_was_interrupted_anywhere_ends_like_one_that_was_not(
    case: Case, fault: Fault
) -> None:
    before = machine(case)
    whole = deepcopy(before)
    converge(case.after, counting := Faulty(whole, 0, fault))

    for strike in range(1, counting.changes + 1):
        host = deepcopy(before)
        with suppress(Killed, StepError):
            converge(case.after, Faulty(host, strike, fault))
        check_the_engine_can_start(host)
        check_the_marker_is_true(host, whole)

        converge(case.after, host)

        assert tree(host) == tree(whole), f"struck at change {strike}"
        assert plan(case.after, ReadOnly(host), ROOTS).is_empty


@cases
def test_a_plan_asks_only_what_may_be_looked_at(case: Case) -> None:
    host = machine(case)
    before = host.tree()

    first = plan(case.after, ReadOnly(host), ROOTS)

    assert plan(case.after, ReadOnly(host), ROOTS) == first
    assert host.tree() == before
