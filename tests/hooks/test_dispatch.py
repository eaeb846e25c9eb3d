"""Who begins what, against a queue as the placer keeps it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aimx.channel.control import Attempted
from aimx.hooks.dispatch import (
    MOST_OF_AN_OWNER,
    MOST_OFFERED,
    MOST_OFFERED_OF_AN_OWNER,
    MOST_RUNNING,
    SHARED,
    Dispatch,
)
from aimx.hooks.queue import Queue
from aimx.placing.control import Firing, Idle, Take


def firing(number: int, uid: int = 1) -> Firing:
    return Firing(number, "tell", uid, "a.com", "inbox", "info", "stem", "stem.md", "")


class Placer:
    """Hands out what is due, oldest first, unless it is told to keep silent."""

    def __init__(self, *due: Firing) -> None:
        self.due = list(due)
        self.asked: list[Take] = []
        self.is_silent = False
        self.is_away = False
        self.queue = Queue(self.ask)

    async def ask(self, take: Take) -> bool:
        if self.is_away:
            return False
        self.asked.append(take)
        if not self.is_silent:
            found = [each for each in self.due if each.uid not in take.busy and take.wanted]
            if found:
                self.due.remove(found[0])
            self.queue.heard(found[0] if found else Idle(), ())
        return True

    @property
    def finished(self) -> set[int]:
        return {number for take in self.asked for number in take.finished}


class Hooks:
    """Runs that last until they are let go."""

    def __init__(self) -> None:
        self.began: list[Firing] = []
        self.go = asyncio.Event()

    async def fire(self, firing: Firing, message: int | None, stopping: asyncio.Event) -> None:
        self.began.append(firing)
        waits = [asyncio.ensure_future(event.wait()) for event in (self.go, stopping)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if firing.hook == "breaks":
            raise ZeroDivisionError


def served(placer: Placer, play: Callable[[Dispatch, Hooks], Awaitable[None]]) -> None:
    async def one() -> None:
        hooks = Hooks()
        dispatch = Dispatch(placer.queue, hooks.fire)
        serving = asyncio.create_task(dispatch.serve())
        await quiet()
        await play(dispatch, hooks)
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving

    asyncio.run(one())


async def quiet() -> None:
    """Until everybody waits: nothing here waits for anything but the others."""
    for _ in range(500):
        await asyncio.sleep(0)


def test_an_owner_has_so_many_hooks_at_work_and_keeps_nobody_waiting() -> None:
    placer = Placer(*(firing(number) for number in range(1, 20)), firing(20, uid=2))

    async def play(dispatch: Dispatch, hooks: Hooks) -> None:
        assert [each.uid for each in hooks.began] == [1] * MOST_OF_AN_OWNER + [2]
        hooks.go.set()
        await quiet()
        assert len(hooks.began) == 20

    served(placer, play)
    assert placer.finished == set(range(1, 21))


def test_owners_whose_hooks_run_long_leave_places_for_those_who_come_later() -> None:
    placer = Placer(*(firing(10 * uid + number, uid) for uid in range(1, 7) for number in range(6)))

    async def play(dispatch: Dispatch, hooks: Hooks) -> None:
        assert [each.uid for each in hooks.began] == [1] * 4 + [2] * 4 + [3, 4, 5, 6]
        placer.due += [firing(100 + uid, uid) for uid in range(7, 10)]
        dispatch.stir()
        await quiet()
        assert [each.uid for each in hooks.began[12:]] == [7, 8, 9]
        hooks.go.set()
        await quiet()
        assert len(hooks.began) == 39

    served(placer, play)


def test_an_attempt_of_who_has_his_share_waits_for_his_own() -> None:
    placer = Placer(*(firing(number, number) for number in range(1, SHARED + 1)))

    async def play(dispatch: Dispatch, hooks: Hooks) -> None:
        dispatch.offer(Attempted(("tell",), 1, "a.com", "info", "facts"))
        dispatch.offer(Attempted(("tell",), 50, "a.com", "info", "facts"))
        await quiet()
        assert [each.uid for each in hooks.began[SHARED:]] == [50]

    served(placer, play)


def test_unbounded_detached_hooks() -> None:
    """So many run at a time in all, and the others wait on disk."""
    placer = Placer(*(firing(number, uid=number) for number in range(1, 40)))

    async def play(dispatch: Dispatch, hooks: Hooks) -> None:
        assert len(hooks.began) == MOST_RUNNING
        assert len(placer.due) == 39 - MOST_RUNNING
        hooks.go.set()
        await quiet()
        assert len(hooks.began) == 39

    served(placer, play)


def test_what_is_finished_is_told_again_where_nobody_heard_it() -> None:
    placer = Placer(firing(1), firing(2))

    async def play(dispatch: Dispatch, hooks: Hooks) -> None:
        placer.is_silent = True
        hooks.go.set()
        await quiet()
        placer.is_silent = False
        placer.queue.placer_gone()
        dispatch.stir()
        await quiet()

    served(placer, play)
    assert set(placer.asked[-1].finished) == {1, 2}
    assert placer.asked[-1].running == ()


def test_what_a_new_placer_hands_out_before_it_is_announced_runs() -> None:
    placer = Placer()

    async def play(dispatch: Dispatch, hooks: Hooks) -> None:
        placer.queue.placer_gone()
        placer.is_silent = True
        dispatch.stir()
        await quiet()
        # As the engine does when the successor serves, which has been asked meanwhile.
        dispatch.stir()
        await quiet()
        placer.queue.heard(firing(7), ())
        await quiet()
        assert [each.number for each in hooks.began] == [7]

    served(placer, play)


def test_without_a_placer_nobody_waits_for_its_answer() -> None:
    placer = Placer(firing(1))

    async def play(dispatch: Dispatch, hooks: Hooks) -> None:
        placer.is_away = True
        hooks.go.set()
        await quiet()
        placer.is_away = False
        dispatch.stir()
        await quiet()

    served(placer, play)
    assert placer.finished == {1}


def test_what_is_finished_is_told_again_where_it_could_not_be_recorded() -> None:
    placer = Placer(firing(1))

    async def play(dispatch: Dispatch, hooks: Hooks) -> None:
        placer.is_silent = True
        hooks.go.set()
        await quiet()
        placer.queue.heard(Idle(recorded=False), ())
        placer.is_silent = False
        await quiet()
        dispatch.stir()
        await quiet()

    served(placer, play)
    assert [take.finished for take in placer.asked[-2:]] == [(1,), (1,)]


def test_a_hook_that_breaks_keeps_no_other_waiting() -> None:
    broken = Firing(1, "breaks", 1, "a.com", "inbox", "info", "stem", "stem.md", "")
    placer = Placer(broken, firing(2))

    async def play(dispatch: Dispatch, hooks: Hooks) -> None:
        hooks.go.set()
        await quiet()

    served(placer, play)
    assert placer.finished == {1, 2}


def test_who_leaves_begins_nothing_ends_what_runs_and_says_so() -> None:
    placer = Placer(firing(1))

    async def play(dispatch: Dispatch, hooks: Hooks) -> None:
        placer.due.append(firing(2))
        await dispatch.leave(0.0)
        assert [each.number for each in hooks.began] == [1]

    served(placer, play)
    assert placer.finished == {1}
    assert placer.due == [firing(2)]


def test_an_attempt_without_a_copy_fires_and_is_none_of_the_placers() -> None:
    placer = Placer()

    async def play(dispatch: Dispatch, hooks: Hooks) -> None:
        dispatch.offer(Attempted(("tell", "wake"), 1, "a.com", "info", "facts"))
        await quiet()
        assert [(each.hook, each.path, each.folder) for each in hooks.began] == [
            ("tell", "", "sent"),
            ("wake", "", "sent"),
        ]
        hooks.go.set()
        await quiet()

    served(placer, play)
    assert placer.finished == set()
    assert {take.running for take in placer.asked} == {()}


def test_who_sends_without_end_leaves_room_for_the_firings_of_others() -> None:
    placer = Placer()

    async def play(dispatch: Dispatch, hooks: Hooks) -> None:
        for _ in range(MOST_OFFERED + 1):
            dispatch.offer(Attempted(("tell",), 1, "a.com", "info", "facts"))
        dispatch.offer(Attempted(("tell",), 2, "a.com", "other", "facts"))
        await quiet()
        hooks.go.set()
        await quiet()
        await quiet()
        theirs = [each.uid for each in hooks.began]
        assert theirs.count(1) == MOST_OFFERED_OF_AN_OWNER
        assert theirs.count(2) == 1

    served(placer, play)
