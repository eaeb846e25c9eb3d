import pytest

from aimx.outbound.outcome import Deferred, Delivered
from aimx.outbound.queue.ledger import HeldBackError
from aimx.outbound.queue.recipient import Span


def later(books) -> str:
    """A message that was deferred."""
    name = books.queue()
    (trip,) = books.due()
    span = Span(books.now, books.now, books.now + 86400)
    books.ledger.concluded(trip, {"b@c.example": Deferred("450 Later")}, span)
    return name


def doubtful(books) -> str:
    """A message that a host may have."""
    name = books.queue()
    (trip,) = books.due()
    books.ledger.leaving(trip, trip.recipients, books.now)
    books.ledger.recover(books.now)
    return name


def test_what_is_held_waits_until_it_is_released(books):
    name = books.queue()

    books.steering.hold(name, books.now)

    assert books.states(name) == ["held"]
    assert books.due() == []
    books.steering.release(name, books.now)
    assert books.states(name) == ["queued"]
    assert [trip.message.id for trip in books.due()] == [name]


def test_what_is_released_goes_on_where_it_was_and_at_once(books):
    name = later(books)
    books.steering.hold(name, books.now)

    books.steering.release(name, books.now)

    assert books.states(name) == ["deferred"]
    assert [trip.message.id for trip in books.due()] == [name]


@pytest.mark.parametrize("stop", ["hold", "cancel"])
def test_content_that_is_about_to_leave_stays_when_a_person_says_so(books, stop):
    name = books.queue()
    (trip,) = books.due()

    getattr(books.steering, stop)(name, books.now)

    with pytest.raises(HeldBackError):
        books.ledger.leaving(trip, trip.recipients, books.now)


@pytest.mark.parametrize(
    ("stop", "outcome", "state"),
    [
        ("hold", Deferred("452"), "held"),
        ("hold", Delivered("mx"), "delivered"),
        ("cancel", Deferred("452"), "cancelled"),
        ("cancel", Delivered("mx"), "delivered"),
        ("cancel", Deferred("gone", unanswered=True), "unknown"),
    ],
)
def test_content_that_has_left_is_not_called_back(books, stop, outcome, state):
    name = books.queue()
    (trip,) = books.due()
    books.ledger.leaving(trip, trip.recipients, books.now)

    getattr(books.steering, stop)(name, books.now)

    books.ledger.answered(trip, {"b@c.example": outcome}, books.now)
    span = Span(books.now, books.now, books.now + 9)
    books.ledger.concluded(trip, {"b@c.example": outcome}, span)
    assert books.states(name) == [state]


def test_what_is_cancelled_is_never_tried_again_and_its_copy_will_say_so(books):
    name = books.queue()

    books.steering.cancel(name, books.now)
    books.steering.release(name, books.now)
    books.steering.retry(name, books.now)

    assert books.states(name) == ["cancelled"]
    assert books.due() == []
    assert [event.status for event in books.debts.pending(name)] == ["cancelled"]


def test_a_message_in_doubt_is_tried_again_only_when_it_is_named(books):
    name = doubtful(books)

    books.steering.release(name, books.now)
    number = books.steering.retry_all(None, books.now)

    assert (books.states(name), number, books.due()) == (["unknown"], 0, [])
    books.steering.retry(name, books.now)
    assert [trip.message.id for trip in books.due()] == [name]


def test_all_that_waits_for_its_time_is_tried_now(books):
    names = {later(books), later(books)}
    held = later(books)
    books.steering.hold(held, books.now)

    number = books.steering.retry_all(None, books.now)

    assert number == 2
    assert {trip.message.id for trip in books.due()} == names


def test_whoever_names_mailboxes_sees_and_moves_only_theirs(books):
    mine, others = later(books), books.queue(author="other@a.example")
    (trip,) = books.due()
    span = Span(books.now, books.now, books.now + 86400)
    books.ledger.concluded(trip, {"b@c.example": Deferred("450")}, span)

    listed = books.steering.waiting(["info@a.example"], 10)
    number = books.steering.retry_all(["info@a.example"], books.now)

    assert [message.id for message in listed] == [mine]
    assert number == 1
    assert [message.id for message in books.steering.waiting(None, 10)] == [mine, others]
    assert books.steering.waiting([], 10) == []


@pytest.mark.parametrize("does", ["hold", "cancel", "release", "retry"])
def test_nothing_is_done_about_a_message_that_is_not_there(books, does):
    assert getattr(books.steering, does)("none", books.now) is None


def test_whoever_does_not_run_the_server_waits_a_minute_after_an_attempt(books):
    name = later(books)
    books.now += 10

    shown = books.steering.retry(name, books.now, 60)

    assert shown.recipients[0].due == 1060
    assert books.steering.retry_all(["info@a.example"], books.now, 60) == 0
    books.steering.hold(name, books.now)
    books.steering.release(name, books.now, 60)
    assert books.due() == []
    books.now = 1060
    assert len(books.due()) == 1


def test_whoever_runs_the_server_waits_for_nothing(books):
    name = later(books)

    assert books.steering.retry_all(None, books.now) == 1
    books.steering.retry(name, books.now)

    assert len(books.due()) == 1


def test_what_is_in_doubt_is_not_tried_again_at_once_either(books):
    name = later(books)
    books.now += 3600
    (trip,) = books.due()
    books.ledger.leaving(trip, trip.recipients, books.now)
    books.ledger.recover(books.now)

    books.steering.retry(name, books.now, 60)

    assert books.states(name) == ["deferred"]
    assert books.due() == []
    assert [trip.message.id for trip in books.due(now=books.now + 60)] == [name]


def test_what_is_held_for_a_while_goes_on_by_itself(books):
    name, other = books.queue(), books.queue()
    books.steering.hold(name, books.now, books.now + 60)
    books.steering.hold(other, books.now)

    before = (books.ledger.wake(books.now + 59), books.ledger.next_due(books.now))
    after = books.ledger.wake(books.now + 60)

    assert before == ([], books.now + 60)
    assert after == [name]
    assert (books.states(name), books.states(other)) == (["queued"], ["held"])
    assert books.message(name).held_until is None
    assert [trip.message.id for trip in books.due(now=books.now + 60)] == [name]
    assert books.ledger.wake(books.now + 61) == []


def test_what_is_released_or_held_anew_forgets_until_when(books):
    name = books.queue()
    books.steering.hold(name, books.now, books.now + 60)

    books.steering.hold(name, books.now)

    assert books.ledger.wake(books.now + 3600) == []
    assert books.states(name) == ["held"]
