from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aimx.outbound.outcome import Deferred, Delivered, Failed, Outcome
from aimx.outbound.queue import recipient as steps
from aimx.outbound.queue.recipient import Recipient, Span
from aimx.outbound.queue.states import (
    OPEN,
    WAITING,
    Halt,
    State,
    after,
    halted,
    interrupted,
    resumed,
    status,
)

FINAL = frozenset(State) - OPEN
SILENCE = Deferred("hung up", unanswered=True)
outcomes = st.sampled_from([Delivered("mx"), Failed("550"), Deferred("450"), SILENCE])
states = st.sampled_from(State)
halts = st.sampled_from(Halt)


@pytest.mark.parametrize(
    ("state", "outcome", "halt", "becomes"),
    [
        pytest.param(State.LEAVING, Delivered("mx"), Halt.NOT, State.DELIVERED, id="taken"),
        pytest.param(State.LEAVING, Failed("554"), Halt.NOT, State.FAILED, id="refused"),
        pytest.param(State.QUEUED, Failed("550"), Halt.NOT, State.FAILED, id="not-let-in"),
        pytest.param(State.QUEUED, Deferred("450"), Halt.NOT, State.DEFERRED, id="greylisted"),
        pytest.param(State.LEAVING, Deferred("452"), Halt.NOT, State.DEFERRED, id="put-off"),
        pytest.param(State.LEAVING, SILENCE, Halt.NOT, State.UNKNOWN, id="no-answer"),
        pytest.param(State.LEAVING, Deferred("452"), Halt.HELD, State.HELD, id="held-meanwhile"),
        pytest.param(
            State.LEAVING, Deferred("452"), Halt.CANCELLED, State.CANCELLED, id="cancelled"
        ),
        pytest.param(
            State.LEAVING, Delivered("mx"), Halt.CANCELLED, State.DELIVERED, id="cancelled-too-late"
        ),
        pytest.param(State.HELD, Deferred("450"), Halt.HELD, State.HELD, id="held-stays-held"),
        pytest.param(
            State.CANCELLED, Failed("550"), Halt.CANCELLED, State.CANCELLED, id="nobody-waits"
        ),
    ],
)
def test_what_an_attempt_makes_of_a_recipient(
    state: State, outcome: Outcome, halt: Halt, becomes: State
) -> None:
    assert after(state, outcome, halt) is becomes


@given(st.sampled_from([State.DELIVERED, State.FAILED, State.UNKNOWN]), outcomes, halts)
def test_what_is_decided_stays_so_whatever_is_tried(
    state: State, outcome: Outcome, halt: Halt
) -> None:
    assert after(state, outcome, halt) is state


@given(states, halts)
def test_a_person_stops_only_what_waits(state: State, halt: Halt) -> None:
    becomes = halted(state, halt)

    assert becomes is state or state in WAITING | {State.HELD}
    assert becomes not in (State.DELIVERED, State.FAILED, State.UNKNOWN) or becomes is state


@given(states, st.integers(0, 3), st.booleans())
def test_nothing_that_may_have_arrived_is_tried_again_unasked(
    state: State, attempts: int, doubtful: bool
) -> None:
    becomes = resumed(state, attempts, doubtful=doubtful)

    if becomes is not state:
        assert becomes in WAITING
        assert state is State.HELD or (state is State.UNKNOWN and doubtful)


@given(states)
def test_only_what_was_leaving_is_in_doubt_after_a_crash(state: State) -> None:
    assert interrupted(state) is (State.UNKNOWN if state is State.LEAVING else state)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([State.QUEUED], "pending"),
        ([State.DELIVERED, State.LEAVING], "pending"),
        ([State.DELIVERED, State.DEFERRED, State.QUEUED], "deferred"),
        ([State.DELIVERED, State.UNKNOWN, State.DEFERRED], "unknown"),
        ([State.FAILED, State.UNKNOWN], "failed"),
        ([State.DELIVERED, State.CANCELLED], "cancelled"),
        ([State.DELIVERED, State.HELD], "pending"),
        ([State.DELIVERED], "delivered"),
    ],
)
def test_a_message_is_told_as_its_worst_recipient(found: list[State], said: str) -> None:
    assert status(found) == said


class Life(RuleBasedStateMachine):
    """One recipient, a host that may or may not have taken the message, and a person."""

    def __init__(self) -> None:
        super().__init__()
        self.recipient = Recipient(0, "a@b", "b", State.QUEUED, due=0, changed=0)
        self.halt = Halt.NOT
        self.now = 0.0
        self.copies = 0  # That the host has taken, as far as it knows.
        self.wishes = 0  # How often a person wanted it sent again in spite of the doubt.

    @property
    def span(self) -> Span:
        return Span(self.now, 0, 1000)

    @precondition(lambda self: self.recipient.state in WAITING and not self.recipient.open)
    @rule(outcome=outcomes, before=st.booleans(), crash=st.booleans(), span=st.floats(0, 400))
    def try_it(self, outcome: Outcome, before: bool, crash: bool, span: float) -> None:
        """`before`: the host speaks before the content; `crash`: we die once it has left."""
        self.now += span
        if before:
            if not isinstance(outcome, Failed):
                outcome = Deferred("450")
        else:
            self.recipient = steps.leaving(self.recipient, self.now)
            self.copies += outcome in (Delivered("mx"), SILENCE)
            if crash:
                self.recipient = steps.abandoned(self.recipient, self.now)
                return
            self.recipient = steps.answered(self.recipient, outcome, self.halt, self.now)
        self.recipient = steps.concluded(self.recipient, outcome, self.halt, self.span, Random(1))

    @rule(halt=halts)
    def stop(self, halt: Halt) -> None:
        if halt is not Halt.NOT:
            self.halt = halt
            self.recipient = replace(self.recipient, state=halted(self.recipient.state, halt))

    @rule(doubtful=st.booleans())
    def go_on(self, doubtful: bool) -> None:
        before = self.recipient.state
        self.halt = Halt.NOT
        self.recipient = replace(
            self.recipient,
            state=resumed(before, self.recipient.attempts, doubtful=doubtful),
        )
        self.wishes += before is State.UNKNOWN and self.recipient.state is not before

    @invariant()
    def nothing_arrives_twice_by_itself(self) -> None:
        assert self.copies <= 1 + self.wishes

    @invariant()
    def delivered_is_told_only_of_what_arrived(self) -> None:
        assert self.recipient.state is not State.DELIVERED or self.copies

    @invariant()
    def what_did_not_arrive_is_never_forgotten(self) -> None:
        recipient = self.recipient
        if not self.copies:
            assert recipient.state is not State.DELIVERED
        assert recipient.state is not State.FAILED or recipient.bounce
        assert recipient.state is not State.LEAVING

    @invariant()
    def what_waits_is_due_before_it_expires(self) -> None:
        assert self.recipient.state is not State.DEFERRED or self.recipient.due <= 1000


TestLife = Life.TestCase


def test_what_was_tried_for_too_long_fails_and_says_for_how_long() -> None:
    waiting = Recipient(0, "a@b", "b", State.DEFERRED, due=0, changed=0, attempts=9)

    found = steps.concluded(
        waiting, Deferred("mx: 450 Later"), Halt.NOT, Span(172800, 0, 172800), Random(1)
    )

    assert (found.state, found.bounce) == (State.FAILED, True)
    assert found.told == "gave up after 2 days: mx: 450 Later"


def test_an_attempt_whose_content_left_and_that_broke_is_in_doubt() -> None:
    waiting = Recipient(0, "a@b", "b", State.QUEUED, due=0, changed=0)
    leaving = steps.leaving(waiting, 1)

    found = steps.concluded(leaving, Deferred("a defect"), Halt.NOT, Span(2, 0, 99), Random(1))

    assert (found.state, found.open) == (State.UNKNOWN, False)
