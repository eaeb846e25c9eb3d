"""Servers that are loaded in turn (A B A B), and what came of it as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from figures import CELLS, Series, number, ratio, table
from instance import until
from load import Load, LoadError, Supply, send
from servers import Server
from usage import cpu_seconds


@dataclass(frozen=True, slots=True)
class Contender:
    """A server, and what it is sent."""

    name: str
    server: Server
    messages: Supply
    rate: Series
    cpu: Series

    @classmethod
    def of(cls, name: str, server: Server, messages: Supply) -> Contender:
        return cls(name, server, messages, Series(name), Series(name))

    def measure(self, load: Load, messages: Supply | None = None) -> None:
        """A run counts only if there are as many new files as messages were answered 250."""
        files, cpu = self.server.files(), cpu_seconds(self.server.pid)
        try:
            sent = send(load, messages or self.messages)
        except (LoadError, OSError) as cause:
            raise SystemExit(f"{self.name}, port {load.port}: {cause}") from cause
        if self.server.queues:
            until(lambda: self.server.files() - files >= sent.messages, "the queue to be delivered")
        spent, new = cpu_seconds(self.server.pid) - cpu, self.server.files() - files
        if new != sent.messages:
            raise SystemExit(
                f"{self.name} answered 250 to {sent.messages} messages and has {new} new files:"
                " the run does not count"
            )
        self.rate.add(sent.rate)
        self.cpu.add(spent / sent.messages * 1000)


@dataclass(frozen=True, slots=True)
class Shape:
    """How every contender is loaded, how long, and how often."""

    sessions: int
    kept: bool
    seconds: float
    rounds: int

    def __str__(self) -> str:
        connections = "kept" if self.kept else "new"
        return f"{self.sessions} session{'s' * (self.sessions > 1)}, {connections} connections"

    def load(self, server: Server, seconds: float | None = None) -> Load:
        return Load(server.port, self.sessions, self.kept, seconds or self.seconds)


def contest(shape: Shape, contenders: Sequence[Contender]) -> None:
    for contender in contenders:  # What is done once: look-ups, opened directories.
        send(shape.load(contender.server, 0.3), contender.messages)
    for _ in range(shape.rounds):
        for contender in contenders:
            contender.measure(shape.load(contender.server))


def tell(
    title: str, contenders: Sequence[Contender], is_yardstick: Callable[[Contender], bool]
) -> None:
    """A table, with the ratio of each to the yardsticks."""
    yardsticks = [each for each in contenders if is_yardstick(each)]
    rows = [
        [
            contender.name,
            *contender.rate.cells(),
            number(contender.cpu.median),
            *(ratio(contender.rate, yardstick.rate) for yardstick in yardsticks),
        ]
        for contender in contenders
    ]
    beside = [f"to {yardstick.name}" for yardstick in yardsticks]
    table(title, ["messages/s", *CELLS, "CPU ms a message", *beside], rows)
