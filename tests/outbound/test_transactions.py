import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from aimx.outbound.transactions import Transactions


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.db"


@pytest.fixture
def transactions(path: Path) -> Iterator[Transactions]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE words (word TEXT)")
    yield Transactions(connection)
    connection.close()


def seen(path: Path) -> list[str]:
    """What is there for whoever comes after a crash."""
    connection = sqlite3.connect(path)
    try:
        return [word for (word,) in connection.execute("SELECT word FROM words")]
    finally:
        connection.close()


def add(transactions: Transactions, word: str, *, fails: bool = False) -> None:
    with transactions.one() as connection:
        connection.execute("INSERT INTO words VALUES (?)", (word,))
        if fails:
            raise ValueError(word)


def test_one_by_itself_is_there_when_it_has_ended(transactions, path):
    add(transactions, "a")

    assert seen(path) == ["a"]


def test_a_group_is_there_when_it_has_ended_and_not_before(transactions, path):
    with transactions.together():
        add(transactions, "a")
        add(transactions, "b")
        before = seen(path)

    assert (before, seen(path)) == ([], ["a", "b"])


def test_one_that_fails_is_undone_alone(transactions, path):
    with transactions.together():
        add(transactions, "a")
        with pytest.raises(ValueError, match="b"):
            add(transactions, "b", fails=True)
        add(transactions, "c")

    assert seen(path) == ["a", "c"]


def test_a_group_that_breaks_leaves_nothing_and_the_next_one_works(transactions, path):
    def group() -> None:
        add(transactions, "a")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), transactions.together():
        group()

    add(transactions, "b")
    assert seen(path) == ["b"]


def test_where_the_whole_is_undone_beneath_it_no_part_of_a_group_is_told_as_done(
    transactions, path
):
    def ends_all() -> None:
        with transactions.one() as connection:
            connection.execute("ROLLBACK")  # As SQLite does by itself where a disk is full.
            raise sqlite3.OperationalError("database or disk is full")

    def group() -> None:
        add(transactions, "a")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            ends_all()
        with pytest.raises(sqlite3.OperationalError, match="full"):
            add(transactions, "b")

    with pytest.raises(sqlite3.OperationalError, match="full"), transactions.together():
        group()

    assert seen(path) == []
