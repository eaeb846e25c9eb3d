from __future__ import annotations

from aimx.mail.remembered import remembered


class Reading:
    """Notes what it reads."""

    def __init__(self) -> None:
        self.read: list[bytes] = []

    def __call__(self, value: bytes) -> int:
        self.read.append(value)
        return len(value)


def test_what_was_read_lately_is_not_read_again() -> None:
    reading = Reading()
    length = remembered(reading)

    assert [length(value) for value in (b"a", b"bc", b"a")] == [1, 2, 1]
    assert reading.read == [b"a", b"bc"]


def test_what_is_long_is_not_kept() -> None:
    reading = Reading()
    length = remembered(reading)

    assert [length(b"a" * 513) for _ in range(2)] == [513, 513]
    assert len(reading.read) == 2


def test_of_many_the_first_are_forgotten() -> None:
    reading = Reading()
    length = remembered(reading)

    for number in range(513):
        length(b"%d" % number)
    length(b"512")
    length(b"0")

    assert reading.read[512:] == [b"512", b"0"]
