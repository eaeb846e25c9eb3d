"""A machine in memory on which manifests are planned and applied."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import pytest

from desired import manifest
from desired.desired import Desired
from desired.problem import Source
from reconcilers.apply import apply
from reconcilers.change import Change
from reconcilers.consent import Consent
from reconcilers.generations import Generation, Who, record
from reconcilers.host.host import Account
from reconcilers.host.memory import ROOT, MemoryHost
from reconcilers.host.read_only import ReadOnly
from reconcilers.journal import Journal
from reconcilers.plan import Plan
from reconcilers.planning import plan
from reconcilers.receipt import Outcome, Receipt, final
from reconcilers.report.document import written
from reconcilers.roots import Roots
from reconcilers.step import Hands

ROOTS = Roots(
    PurePosixPath("/etc/aimx"),
    PurePosixPath("/var/lib/aimx"),
    PurePosixPath("/run/aimx"),
    PurePosixPath("/etc/aimx/manifest.toml"),
)
ACCOUNTS = (
    Account("alice", 1000, 1000),
    Account("bob", 1001, 1001),
    Account("aimx-in", 801, 801),
    Account("aimx-out", 802, 802),
    Account("aimx-catchall", 803, 803),
    Account("nobody", 65534, 65534),
)


@dataclass
class Engine:
    """What the running engine was told."""

    told: list[str] = field(default_factory=list)

    def prepare(self, config: bytes) -> None:
        self.told.append("prepare")

    def commit(self) -> None:
        self.told.append("commit")

    def drop(self) -> None:
        self.told.append("drop")


@dataclass
class Machine:
    """A host in memory, and what an operator does to it."""

    host: MemoryHost
    roots: Roots = ROOTS
    engine: Engine = field(default_factory=Engine)

    def desired(self, text: str | Desired) -> Desired:
        if isinstance(text, Desired):
            return text
        return manifest.read([Source("manifest.toml", text.encode())]).desired

    def plan(
        self,
        text: str | Desired,
        allow_removals: int = 0,
        *,
        purge: bool = False,
        only: Set[str] | None = None,
    ) -> Plan:
        consent = Consent(allow_removals, purge)
        return plan(self.desired(text), ReadOnly(self.host), self.roots, consent, only)

    def change(self, text: str | Desired, address: str, allow_removals: int = 0) -> Change:
        """What a plan would do to one resource."""
        changes = self.plan(text, allow_removals).changes
        found = [change for change in changes if change.address == address]
        assert found, [change.address for change in changes]
        return found[0]

    def carry_out(self, made: Plan) -> tuple[Receipt, ...]:
        number = made.generation + (made.config is not None)
        journal = Journal(self.host, self.roots, number)
        return final(apply(made, Hands(self.host, self.engine), journal))

    def take_until(self, made: Plan, step: str) -> None:
        """Take the steps in order, and die before this one."""
        for each in made.steps:
            if each.id == step:
                return
            each.operation.take(Hands(self.host, self.engine))
        pytest.fail(f"no step {step}")

    def apply(self, text: str | Desired, allow_removals: int = 0) -> Plan:
        """Plan and apply, which must not fail, and keep the record."""
        made = self.plan(text, allow_removals)
        receipts = self.carry_out(made)
        assert [r for r in receipts if r.outcome is not Outcome.DONE] == []
        if not made.refused:
            self._record(made, receipts)
        return made

    def _record(self, made: Plan, receipts: tuple[Receipt, ...]) -> None:
        config = self.host.read(self.roots.engine_config)
        assert config is not None
        number = made.generation + (made.config is not None)
        who = Who(0, "root", "test")
        kept = Generation(number, self.host.now(), who, (), config, written(made), receipts)
        record(self.host, self.roots, kept)


def fresh(user: Account = ROOT) -> Machine:
    host = MemoryHost(ROOTS, user, ACCOUNTS)
    host.plant_directory(ROOTS.config)
    host.plant_directory(ROOTS.data.parent)
    return Machine(host)


@pytest.fixture
def machine() -> Machine:
    """Nothing is installed on it yet."""
    return fresh()


@pytest.fixture(scope="session")
def new_machine() -> Callable[[], Machine]:
    """Makes one for each example of a law."""
    return fresh


@pytest.fixture
def rootless() -> Machine:
    """The same, where alice runs everything."""
    return fresh(ACCOUNTS[0])
