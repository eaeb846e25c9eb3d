from collections import Counter
from dataclasses import dataclass, field

import pytest

from aimx.channel.packets import MalformedError
from aimx.processes.accept import Acceptance
from aimx.snapshot import Limits


@dataclass
class Inbound:
    """As much of a worker as is counted."""

    connections: Counter[str] = field(default_factory=Counter)


def acceptance(*peers: str) -> Acceptance:
    made = Acceptance(None, Limits)
    for peer in peers:
        made.gate.enter(peer)
    return made


def test_who_left_is_counted_out():
    worker, accepting = Inbound(Counter({"192.0.2.1": 1})), acceptance("192.0.2.1", "192.0.2.2")

    accepting.closed(worker, "192.0.2.1")

    assert (worker.connections, accepting.gate.inside) == (Counter(), Counter({"192.0.2.2": 1}))


@pytest.mark.parametrize("peer", ["192.0.2.2", "nonsense", ""])
def test_a_worker_cannot_count_out_whom_it_was_not_given(peer):
    worker, accepting = Inbound(Counter({"192.0.2.1": 1})), acceptance("192.0.2.1", "192.0.2.2")

    with pytest.raises(MalformedError):
        accepting.closed(worker, peer)

    assert accepting.gate.inside == Counter({"192.0.2.1": 1, "192.0.2.2": 1})
