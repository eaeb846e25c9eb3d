import errno
import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from aimx.outbound.queue.letters import Copy, File, Label, LetterError, Letters, Parcel
from aimx.placing.disk import Disk

LABEL = Label("1f", "info@a.example", ("b@c.example",), "x@a.example", "Häi", 5, False, 7.5, "ab")
COPY = Copy("2026-01-02-hello", b"read = false\n+++\n\nHello\n", (File("a.txt", b"\0\n"),))


@pytest.fixture
def letters(tmp_path: Path) -> Letters:
    made = Letters(tmp_path / "spool")
    made.open()
    return made


def test_a_letter_is_read_back_as_it_was_written(letters: Letters) -> None:
    letters.write([Parcel(LABEL, b"hello", COPY)])

    assert letters.content("1f") == b"hello"
    assert letters.copy("1f") == COPY
    assert list(letters.labels()) == [LABEL]
    assert letters.names() == ["1f"]


def test_nobody_else_may_read_the_spool(letters: Letters, tmp_path: Path) -> None:
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700


def test_a_letter_that_is_removed_is_gone(letters: Letters) -> None:
    letters.write([Parcel(LABEL, b"hello", COPY)])

    letters.remove("1f")
    letters.remove("1f")

    assert letters.names() == []
    with pytest.raises(LetterError, match="No such file"):
        letters.content("1f")


@pytest.mark.parametrize("cut", [0, 10, 250, 300])
def test_a_letter_that_was_cut_is_told_and_never_sent(
    letters: Letters, tmp_path: Path, cut: int
) -> None:
    letters.write([Parcel(LABEL, b"hello" * 20, COPY)])
    path = tmp_path / "spool" / "1f.letter"
    path.write_bytes(path.read_bytes()[:cut])

    with pytest.raises(LetterError):
        letters.content("1f")


def written_before_there_were_sums(path: Path, **said: object) -> None:
    line, rest = path.read_bytes().split(b"\n", 1)
    label = {**json.loads(line), **said}
    del label["sum"], label["sums"]
    path.write_bytes(json.dumps(label).encode() + b"\n" + rest)


def test_a_letter_of_an_earlier_release_is_taken_at_its_word(
    letters: Letters, tmp_path: Path
) -> None:
    letters.write([Parcel(LABEL, b"hello", COPY)])
    written_before_there_were_sums(tmp_path / "spool/1f.letter", subject='Hi", "sum": 7}')

    assert list(letters.labels()) == [replace(LABEL, subject='Hi", "sum": 7}')]
    assert (letters.content("1f"), letters.copy("1f")) == (b"hello", COPY)


@pytest.mark.parametrize("said", [{"subject": "\ud800"}, {"size": 1 << 64}, {"queued": 1e300}])
def test_a_label_that_the_queue_could_not_take_is_told_as_damaged(
    letters: Letters, tmp_path: Path, said: dict[str, object]
) -> None:
    letters.write([Parcel(LABEL, b"hello", COPY)])
    written_before_there_were_sums(tmp_path / "spool/1f.letter", **said)

    (found,) = letters.labels()

    assert isinstance(found, LetterError)


def test_what_was_never_finished_is_removed_at_the_next_start(
    letters: Letters, tmp_path: Path
) -> None:
    (tmp_path / "spool" / ".2e").write_bytes(b"half")

    letters.open()

    assert list((tmp_path / "spool").iterdir()) == []


def test_a_disk_that_is_full_keeps_nothing_half(
    letters: Letters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)

    failures = letters.write([Parcel(LABEL, b"hello", COPY)])

    assert [cause.errno for cause in failures.values()] == [errno.ENOSPC]

    assert list((tmp_path / "spool").iterdir()) == []


class Counting(Disk):
    """Tells how many were made durable at a time; refuses the one of this place."""

    def __init__(self, refused: int = -1) -> None:
        super().__init__()
        self.flushed: list[int] = []
        self._refused = refused

    def flush_all(self, descriptors: Iterable[int]) -> dict[int, OSError]:
        waiting = list(descriptors)
        self.flushed.append(len(waiting))
        full = OSError(errno.ENOSPC, "full")
        return dict.fromkeys(waiting[self._refused :][:1], full) if self._refused >= 0 else {}


def parcels(number: int) -> list[Parcel]:
    return [Parcel(replace(LABEL, id=f"{each}"), b"hello", COPY) for each in range(number)]


def test_letters_that_come_together_are_flushed_together(tmp_path: Path) -> None:
    disk = Counting()
    letters = Letters(tmp_path / "spool", disk)
    letters.open()

    assert letters.write(parcels(20)) == {}

    assert disk.flushed == [20, 1]  # The letters, and their directory.
    assert len(letters.names()) == 20


def test_one_that_cannot_be_flushed_takes_no_other_with_it(tmp_path: Path) -> None:
    letters = Letters(tmp_path / "spool", Counting(refused=1))
    letters.open()

    failures = letters.write(parcels(3))

    assert list(failures) == ["1"]
    assert sorted(path.name for path in (tmp_path / "spool").iterdir()) == [
        "0.letter",
        "2.letter",
    ]
