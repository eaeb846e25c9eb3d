import pytest

from aimx.outbound.outcome import Delivered, Failed
from aimx.outbound.queue.recipient import Span

DAY = 86400.0


def conclude(books, outcome) -> None:
    for trip in books.due():
        outcomes = dict.fromkeys(trip.recipients, outcome)
        books.ledger.concluded(trip, outcomes, Span(books.now, books.now, books.now + DAY))


def settle(books, name) -> None:
    """Everything that its mailbox is owed."""
    books.debts.placed(name, "2026-hello")
    for event in books.debts.pending(name):
        books.debts.told(name, event.number)
    places = [each.place for each in books.message(name).recipients if each.bounce]
    books.debts.bounced(name, places)


def test_a_message_is_owed_its_copy_its_bounce_and_each_event(books):
    fresh = books.queue()
    tended = books.queue()
    books.debts.placed(tended, "2026-hello")
    failed = books.queue("a@d.example")
    trip = next(each for each in books.due() if each.message.id == failed)
    books.debts.placed(failed, "2026-hello")
    span = Span(books.now, books.now, books.now + DAY)
    books.ledger.concluded(trip, {"a@d.example": Failed("550")}, span)

    owed = books.debts.owed()

    assert set(owed) == {fresh, failed}
    assert books.message(failed).recipients[0].bounce


def test_a_message_is_closed_when_nothing_is_owed_and_nothing_waits(books):
    waiting, done = books.queue("a@c.example"), books.queue("a@d.example")
    for name in (waiting, done):
        settle(books, name)
    trip = next(each for each in books.due() if each.message.id == done)
    span = Span(books.now, books.now, books.now + DAY)
    books.ledger.concluded(trip, {"a@d.example": Delivered("mx")}, span)
    assert not books.debts.close(done, books.now)
    settle(books, done)

    closed = [books.debts.close(name, books.now) for name in (waiting, done)]

    assert closed == [False, True]
    assert books.debts.owed() == []
    assert books.ledger.names() == {waiting}


def test_a_message_in_doubt_stays_until_a_person_gives_it_up(books):
    name = books.queue()
    (trip,) = books.due()
    books.ledger.leaving(trip, trip.recipients, books.now)
    books.ledger.recover(books.now)
    settle(books, name)
    assert not books.debts.close(name, books.now)

    books.steering.cancel(name, books.now)

    assert books.debts.close(name, books.now)
    assert books.states(name) == ["unknown"]


@pytest.mark.parametrize(("days", "left"), [(6, True), (8, False)])
def test_what_is_closed_can_be_looked_at_for_a_week(books, days, left):
    name = books.queue()
    conclude(books, Delivered("mx"))
    settle(books, name)
    books.debts.close(name, books.now)

    books.debts.forget(books.now + days * DAY)

    assert (books.steering.find(name) is not None) is left


def test_a_doubt_that_nobody_decides_is_given_up_after_a_month(books):
    name, waiting = books.queue("a@c.example"), books.queue("a@d.example")
    trip = next(each for each in books.due() if each.message.id == name)
    books.ledger.leaving(trip, trip.recipients, books.now)
    books.ledger.recover(books.now)

    assert books.debts.forget(books.now + 29 * DAY) == []
    assert books.debts.forget(books.now + 31 * DAY) == [name]
    assert books.ledger.names() == {waiting}
