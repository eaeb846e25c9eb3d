import errno
import os
from pathlib import Path

import pytest

from aimx.outbound.queue.letters import Copy, File, Label, LetterError, Letters

LABEL = Label("1f", "info@a.example", ("b@c.example",), "x@a.example", "Häi", 5, False, 7.5, "ab")
COPY = Copy("2026-01-02-hello", b"read = false\n+++\n\nHello\n", (File("a.txt", b"\0\n"),))


@pytest.fixture
def letters(tmp_path: Path) -> Letters:
    made = Letters(tmp_path / "spool")
    made.open()
    return made


def test_a_letter_is_read_back_as_it_was_written(letters: Letters) -> None:
    letters.write(LABEL, b"hello", COPY)

    assert letters.content("1f") == b"hello"
    assert letters.copy("1f") == COPY
    assert list(letters.labels()) == [LABEL]
    assert letters.names() == ["1f"]


def test_nobody_else_may_read_the_spool(letters: Letters, tmp_path: Path) -> None:
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700


def test_a_letter_that_is_removed_is_gone(letters: Letters) -> None:
    letters.write(LABEL, b"hello", COPY)

    letters.remove("1f")
    letters.remove("1f")

    assert letters.names() == []
    with pytest.raises(LetterError, match="No such file"):
        letters.content("1f")


@pytest.mark.parametrize("cut", [0, 10, 250, 300])
def test_a_letter_that_was_cut_is_told_and_never_sent(
    letters: Letters, tmp_path: Path, cut: int
) -> None:
    letters.write(LABEL, b"hello" * 20, COPY)
    path = tmp_path / "spool" / "1f.letter"
    path.write_bytes(path.read_bytes()[:cut])

    with pytest.raises(LetterError):
        letters.content("1f")


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

    with pytest.raises(OSError, match="No space"):
        letters.write(LABEL, b"hello", COPY)

    assert list((tmp_path / "spool").iterdir()) == []
