import pytest

from aimx.outbound.keys import CallersKey, Settled, Standing
from aimx.outbound.outcome import Deferred, Delivered, Failed
from aimx.outbound.queue.database import QueueError
from aimx.outbound.queue.ledger import HeldBackError
from aimx.outbound.queue.recipient import Span
from aimx.outbound.queue.rows import LONGEST_DETAILS, MOST_EVENTS
from desired.frozen import replace

KEY = CallersKey(1000, "k")
DAY = 86400.0


def span(books, queued: float = 1000.0, age: float = DAY) -> Span:
    return Span(books.now, queued, queued + age)


def conclude(books, trip, outcome, **outcomes) -> str:
    return books.ledger.concluded(trip, dict.fromkeys(trip.recipients, outcome), span(books))


def test_a_message_that_was_taken_is_due_at_once_for_each_place_once(books):
    name = books.queue("a@c.example", "b@d.example", "c@c.example")

    trips = books.due()

    assert {(trip.message.id, trip.destination, trip.recipients) for trip in trips} == {
        (name, "c.example", ("a@c.example", "c@c.example")),
        (name, "d.example", ("b@d.example",)),
    }


def test_what_is_under_way_is_not_due(books):
    books.queue("a@c.example", "b@d.example")
    first, second = books.due()

    assert books.due(flying=first.flying) == [second]
    assert books.due(flying=first.flying | second.flying) == []


def test_places_without_room_are_left_out_and_the_others_take_turns(books):
    for place in ("c", "c", "c", "d", "e"):
        books.queue(f"a@{place}.example")
        books.now += 1

    trips = books.due(full=frozenset({"e.example"}))

    assert [trip.destination for trip in trips] == [
        *("c.example", "d.example", "c.example", "c.example")
    ]


def test_a_thousand_messages_to_one_place_hide_no_other_place(books):
    for _ in range(50):
        books.queue("a@c.example")
    books.now += 1
    books.queue("a@d.example")

    trips = books.due()

    assert [trip.destination for trip in trips][:2] == ["c.example", "d.example"]
    assert len(trips) < 10


def test_what_was_deferred_waits_and_is_due_again(books):
    name = books.queue()
    (trip,) = books.due()

    status = conclude(books, trip, Deferred("450 Later"))

    due = books.ledger.next_due(books.now)
    assert (status, books.states(name), books.due()) == ("deferred", ["deferred"], [])
    assert due is not None
    assert 48 <= due - books.now <= 72
    books.now = due
    assert [each.message.id for each in books.due()] == [name]


def test_what_was_deferred_while_the_clock_was_ahead_does_not_wait_until_then(books):
    books.now += 365 * DAY
    name = books.queue()
    (trip,) = books.due()
    later = dict.fromkeys(trip.recipients, Deferred("450 Later"))
    books.ledger.concluded(trip, later, span(books, queued=books.now))
    books.now -= 365 * DAY

    assert books.ledger.wake(books.now) == [name]

    assert [each.message.id for each in books.due()] == [name]
    assert books.ledger.wake(books.now) == []


def test_no_pause_is_taken_for_a_clock_that_was_ahead(books):
    books.queue()
    for _ in range(12):
        (trip,) = books.due()
        conclude(books, trip, Deferred("450 Later"))
        due = books.ledger.next_due(books.now)

        assert books.ledger.wake(books.now) == []

        books.now = due


def test_each_attempt_is_in_the_history(books):
    name = books.queue("a@c.example", "b@c.example")
    (trip,) = books.due()
    outcomes = {"a@c.example": Delivered("mx", "TLSv1.3", "250 OK"), "b@c.example": Failed("550")}

    books.ledger.concluded(trip, outcomes, span(books))

    (event,) = books.steering.events(name)
    assert (event.destination, event.status, event.pending) == ("c.example", "failed", True)
    assert (
        event.details == "a@c.example: delivered to mx (TLSv1.3): 250 OK; b@c.example: failed: 550"
    )


def test_content_leaves_only_once(books):
    name = books.queue()
    (trip,) = books.due()
    books.ledger.leaving(trip, trip.recipients, books.now)

    with pytest.raises(HeldBackError):
        books.ledger.leaving(trip, trip.recipients, books.now)

    assert books.states(name) == ["leaving"]
    assert books.due() == []


def test_after_a_crash_what_had_left_is_in_doubt_and_what_had_not_is_tried(books):
    gone, kept = books.queue("a@c.example"), books.queue("a@d.example")
    trip = next(each for each in books.due() if each.message.id == gone)
    books.ledger.leaving(trip, trip.recipients, books.now)

    books.open()
    doubtful = books.ledger.recover(books.now)

    assert doubtful == [gone]
    assert books.states(gone) == ["unknown"]
    assert [each.message.id for each in books.due()] == [kept]
    assert [event.status for event in books.steering.events(gone)] == ["unknown"]
    assert books.ledger.recover(books.now) == []


def test_after_a_crash_an_answer_that_was_heard_counts(books):
    name = books.queue("a@c.example", "b@c.example", "c@c.example")
    (trip,) = books.due()
    books.ledger.leaving(trip, trip.recipients, books.now)
    answers = {
        "a@c.example": Delivered("mx"),
        "b@c.example": Deferred("452"),
        "c@c.example": Failed("554"),
    }
    books.ledger.answered(trip, answers, books.now)

    books.open()
    doubtful = books.ledger.recover(books.now)

    assert doubtful == []
    assert books.states(name) == ["delivered", "deferred", "failed"]
    assert [each.recipients for each in books.due()] == [("b@c.example",)]
    assert [event.status for event in books.steering.events(name)] == ["failed"]


def test_a_key_takes_one_message_for_good(books, destination):
    first = books.label()

    told = [
        books.ledger.enqueue(first, destination, KEY),
        books.ledger.enqueue(books.label(), destination, KEY),
    ]
    books.open()
    again = books.ledger.enqueue(books.label(), destination, KEY)

    assert told == [None, Settled("", f"<{first.message_id}>", first.id)]
    assert again == told[1]
    assert len(books.due()) == 1


def test_a_key_that_somebody_sends_at_once_under_is_not_taken(books, destination):
    books.ledger.begin(KEY, books.now)

    assert books.ledger.enqueue(books.label(), destination, KEY) is Standing.UNDER_WAY
    assert books.due() == []


def test_a_database_that_cannot_be_written_takes_neither_message_nor_key(books, destination):
    books.database.connection.execute("PRAGMA query_only = 1")

    with pytest.raises(QueueError):
        books.ledger.enqueue(books.label(), destination, KEY)

    books.database.connection.execute("PRAGMA query_only = 0")
    assert books.due() == []
    assert books.ledger.enqueue(books.label(), destination, KEY) is None


def test_where_nobody_is_reached_the_others_wait_too(books):
    tried, other, elsewhere = (
        books.queue("a@c.example"),
        books.queue("b@c.example"),
        books.queue("c@d.example"),
    )
    trip = next(each for each in books.due() if each.message.id == tried)
    conclude(books, trip, Deferred("connection refused", unreached=True))

    books.ledger.postpone(trip, books.now + 60, "connection refused")

    assert [each.message.id for each in books.due()] == [elsewhere]
    assert books.message(other).recipients[0].told == "connection refused"
    assert books.message(other).recipients[0].attempts == 0
    assert books.message(tried).recipients[0].due == books.now + 60


def test_who_waits_for_another_reason_is_not_tried_sooner(books):
    name = books.queue("greylisted@c.example", "tried@c.example")
    (trip,) = books.due()
    conclude(books, trip, Deferred("450 Later"))
    until = books.now + 20

    alone = replace(trip, recipients=("tried@c.example",))
    books.ledger.postpone(alone, until, "connection refused")

    greylisted, tried = (each.due for each in books.message(name).recipients)
    assert tried == until < greylisted


def test_where_somebody_is_reached_again_only_what_waited_for_that_goes_on(books):
    greylisted, tried = books.queue("a@c.example"), books.queue("b@c.example")
    first, second = sorted(books.due(), key=lambda trip: trip.message.id != greylisted)
    conclude(books, first, Deferred("450 Later"))
    books.now += 30
    conclude(books, second, Deferred("connection refused", unreached=True))
    until = books.now + 20
    books.ledger.postpone(second, until, "connection refused")
    beside = books.queue("c@c.example", "d@d.example")
    books.ledger.postpone(second, until, "connection refused")

    books.ledger.hasten("c.example", until, books.now)

    assert {(each.message.id, each.destination) for each in books.due()} == {
        (tried, "c.example"),
        (beside, "c.example"),
        (beside, "d.example"),
    }


def test_what_waits_is_taken_where_it_is_taken_now(books):
    done, waiting = books.queue("a@c.example"), books.queue("a@c.example", "b@d.example")
    first = next(each for each in books.due() if each.message.id == done)
    conclude(books, first, Delivered("mx"))

    books.ledger.redirect(lambda address: "relay")

    assert [(each.message.id, each.destination, each.recipients) for each in books.due()] == [
        (waiting, "relay", ("a@c.example", "b@d.example"))
    ]
    assert books.message(done).recipients[0].destination == "c.example"


def test_of_what_is_tried_all_day_the_last_attempts_are_remembered(books):
    name = books.queue()

    for _ in range(MOST_EVENTS + 10):
        books.steering.retry(name, books.now)
        (trip,) = books.due()
        conclude(books, trip, Deferred("450 Later " * 1000))
        for event in books.debts.pending(name):
            books.debts.told(name, event.number)

    events = books.steering.events(name)
    assert [event.number for event in events] == list(range(11, MOST_EVENTS + 11))
    assert max(len(event.details) for event in events) == LONGEST_DETAILS


def test_what_the_sent_copy_does_not_say_yet_is_remembered_however_much_it_is(books):
    name = books.queue()

    for _ in range(MOST_EVENTS + 10):
        books.steering.retry(name, books.now)
        (trip,) = books.due()
        conclude(books, trip, Deferred("450 Later"))

    assert len(books.debts.pending(name)) == MOST_EVENTS + 10
