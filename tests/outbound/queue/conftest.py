from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from aimx.outbound.queue.aftercare.debts import Debts
from aimx.outbound.queue.database import Database
from aimx.outbound.queue.ledger import Ledger, adopt
from aimx.outbound.queue.letters import Label, Letters
from aimx.outbound.queue.rows import Message
from aimx.outbound.queue.steering import Steering
from aimx.outbound.queue.trips import Trip


def by_domain(address: str) -> str:
    return address.rpartition("@")[2]


@dataclass
class Books:
    """A queue's database, and everybody who works on it."""

    directory: Path
    leaving: ExitStack
    now: float = 1000.0
    numbers: int = 0
    ledger: Ledger = field(init=False)
    steering: Steering = field(init=False)
    debts: Debts = field(init=False)

    def open(self) -> None:
        """Also once more, as after a crash: nothing is closed before."""
        letters = Letters(self.directory / "spool")
        letters.open()

        def begun(connection: Any) -> None:
            found = [label for label in letters.labels() if isinstance(label, Label)]
            adopt(connection, found, lambda _: False, self.now)

        self.database = Database(self.directory, begun)
        self.leaving.callback(self.database.close)
        self.ledger = Ledger(self.database, "run", Random(1))
        self.steering = Steering(self.database)
        self.debts = Debts(self.database)

    def label(self, *recipients: str, **changes: Any) -> Label:
        self.numbers += 1
        fields: dict[str, Any] = {
            "id": f"{self.numbers:04}",
            "author": "info@a.example",
            "recipients": recipients or ("b@c.example",),
            "message_id": f"{self.numbers}@a.example",
            "subject": "Hello",
            "size": 100,
            "international": False,
            "queued": self.now,
            "origin": f"{self.numbers:064}",
        }
        return Label(**{**fields, **changes})

    def queue(self, *recipients: str, **changes: Any) -> str:
        """Take a message; gives its id."""
        label = self.label(*recipients, **changes)
        assert self.ledger.enqueue(label, by_domain, None) is None
        return label.id

    def due(self, **changes: Any) -> list[Trip]:
        asked: dict[str, Any] = {
            "now": self.now,
            "full": frozenset(),
            "flying": frozenset(),
            "most": 99,
        }
        return self.ledger.due(**{**asked, **changes})

    def message(self, name: str) -> Message:
        found = self.steering.find(name)
        assert found is not None
        return found

    def states(self, name: str) -> list[str]:
        return [each.state.value for each in self.message(name).recipients]


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with ExitStack() as leaving:
        made = Books(tmp_path, leaving)
        made.open()
        yield made


@pytest.fixture
def destination() -> Callable[[str], str]:
    return by_domain
