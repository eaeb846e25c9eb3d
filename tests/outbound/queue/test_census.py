import pytest

from aimx.outbound.outcome import Deferred, Failed
from aimx.outbound.queue.census import census
from aimx.outbound.queue.database import QueueError
from aimx.outbound.queue.recipient import Span


def test_each_message_that_is_not_closed_counts_once_by_what_may_become_of_it(books):
    for kind in ("fresh", "held", "deferred", "settled"):
        books.now += 1
        name = books.queue(f"{kind}@c.example", f"{kind}@d.example")
        match kind:
            case "held":
                books.steering.hold(name, books.now)
            case "deferred" | "settled":
                outcome = Deferred("450") if kind == "deferred" else Failed("550")
                for trip in books.due():
                    if trip.message.id == name:
                        span = Span(books.now, books.now, books.now + 9)
                        outcomes = dict.fromkeys(trip.recipients, outcome)
                        books.ledger.concluded(trip, outcomes, span)
    books.now += 1
    books.queue()
    closed = books.queue()
    books.database.connection.execute("UPDATE messages SET closed = 1 WHERE id = ?", (closed,))

    assert census(books.directory) == {
        "leaving": (0, 0.0),
        "queued": (2, 1001.0),
        "deferred": (1, 1003.0),
        "held": (1, 1002.0),
        "unknown": (0, 0.0),
        "settled": (1, 1004.0),
    }


def test_where_there_is_no_queue_nobody_says_that_it_is_empty(tmp_path):
    with pytest.raises(QueueError):
        census(tmp_path)
