from aimx.hooks.breaker import Breaker


def admitted(breaker: Breaker, times: list[float], thread: str = "t", peer: str = "a@x") -> int:
    return sum(breaker.admits("hook", thread, peer, 3, now) for now in times)


def test_a_peer_fires_a_hook_so_often_in_a_thread_within_an_hour() -> None:
    assert admitted(Breaker(), [0.0, 1.0, 2.0, 3.0, 4.0]) == 3


def test_another_thread_another_peer_and_another_hook_count_apart() -> None:
    breaker = Breaker()
    admitted(breaker, [0.0] * 3)

    assert admitted(breaker, [0.0], thread="other") == 1
    assert admitted(breaker, [0.0], peer="b@x") == 1
    assert breaker.admits("second", "t", "a@x", 3, 0.0)
    assert admitted(breaker, [0.0], peer="A@X") == 0


def test_an_hour_later_it_fires_again() -> None:
    breaker = Breaker()
    admitted(breaker, [0.0, 10.0, 20.0])

    assert admitted(breaker, [3600.0, 3601.0]) == 1


def test_what_it_remembers_is_bounded() -> None:
    breaker = Breaker()
    for number in range(20_000):
        breaker.admits("hook", f"thread-{number}", "a@x", 1, 0.0)

    assert breaker.admits("hook", "thread-0", "a@x", 1, 0.0)
    assert not breaker.admits("hook", "thread-19999", "a@x", 1, 0.0)


def test_a_limit_of_nothing_admits_nothing() -> None:
    assert not Breaker().admits("hook", "t", "a@x", 0, 0.0)
