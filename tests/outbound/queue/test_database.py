import contextlib
import sqlite3
from pathlib import Path

import pytest

from aimx.outbound.keys import CallersKey, Keys, Settled, Standing
from aimx.outbound.queue.database import DamagedError, Database, QueueError
from aimx.outbound.queue.letters import Copy, Letters, Parcel

NOTHING = lambda connection: None  # noqa: E731


def damage(path: Path) -> None:
    """Write over all of it but the first page's beginning."""
    raw = bytearray(path.read_bytes())
    raw[200:] = b"\xff" * (len(raw) - 200)
    path.write_bytes(raw)


def test_only_its_user_may_read_it(tmp_path: Path) -> None:
    import os

    mask = os.umask(0o077)
    try:
        Database(tmp_path, NOTHING).close()
    finally:
        os.umask(mask)

    assert (tmp_path / "queue.db").stat().st_mode & 0o777 == 0o600


def test_every_commit_reaches_the_disk(tmp_path: Path) -> None:
    database = Database(tmp_path, NOTHING)

    found = [
        database.connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys")
    ]

    database.close()
    assert found == ["wal", 2, 1]


@pytest.mark.parametrize("how", ["written-over", "cut", "no-database"])
def test_one_that_is_damaged_is_set_aside_and_said_loudly(books, capsys, how):
    books.queue()
    books.database.close()
    path = books.directory / "queue.db"
    match how:
        case "written-over":
            damage(path)
        case "cut":
            path.write_bytes(path.read_bytes()[:5000])
        case "no-database":
            path.write_bytes(b"this is no database at all, and long enough to tell" * 100)

    books.open()

    (aside,) = books.directory.glob("queue.db.set-aside-20*Z")
    assert aside.stat().st_size
    assert books.due() == []
    told = capsys.readouterr().out
    assert "the queue cannot be read and is begun anew" in told
    assert str(aside) in told


def test_what_lies_in_the_spool_of_a_lost_queue_is_taken_up_and_not_sent(books):
    letters = Letters(books.directory / "spool")
    label = books.label("a@c.example", "b@d.example")
    letters.write([Parcel(label, b"content", Copy("2026-hello", b"rest", ()))])
    books.ledger.enqueue(label, str, None)
    books.database.close()
    (books.directory / "queue.db").unlink()

    books.open()

    message = books.message(label.id)
    assert books.states(label.id) == ["unknown", "unknown"]
    assert books.due() == []
    assert (message.author, message.message_id) == (label.author, label.message_id)
    assert books.debts.owed() == [label.id]
    books.steering.retry(label.id, books.now)
    assert [trip.destination for trip in books.due()] == ["c.example", "d.example"]


def test_one_of_a_newer_release_is_left_alone(tmp_path: Path) -> None:
    Database(tmp_path, NOTHING).close()
    with sqlite3.connect(tmp_path / "queue.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(QueueError, match="made by a newer aimx"):
        Database(tmp_path, NOTHING)

    assert [path.name for path in tmp_path.glob("queue.db*set*")] == []


def test_one_that_is_damaged_while_it_is_open_says_so(books):
    for _ in range(200):
        books.queue()
    books.database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    books.database.connection.execute("PRAGMA cache_size = 0")
    damage(books.directory / "queue.db")

    with pytest.raises(DamagedError):
        books.due()


def test_keys_of_an_earlier_release_still_count(tmp_path: Path) -> None:
    earlier = sqlite3.connect(tmp_path / "keys.db")
    earlier.execute(
        "CREATE TABLE keys (uid INTEGER NOT NULL, key TEXT NOT NULL, run TEXT NOT NULL, settled"
        " INTEGER NOT NULL, code TEXT NOT NULL, text TEXT NOT NULL, began REAL NOT NULL,"
        " PRIMARY KEY (uid, key)) WITHOUT ROWID, STRICT"
    )
    rows = [(1, "sent", "r", 1, "", "<x@y>", 5.0), (1, "begun", "r", 0, "", "", 5.0)]
    earlier.executemany("INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    earlier.commit()
    earlier.close()

    database = Database(tmp_path, NOTHING)

    keys = Keys(database.connection, "another run")
    assert keys.claim(1, "sent", 6.0) == Settled("", "<x@y>")
    assert keys.claim(1, "begun", 6.0) is Standing.UNKNOWN
    assert not (tmp_path / "keys.db").exists()
    database.close()


@pytest.mark.parametrize("how", ["nonsense", "no text"])
def test_keys_of_an_earlier_release_that_are_damaged_keep_nobody_from_sending(
    tmp_path: Path, how: str
) -> None:
    path = tmp_path / "keys.db"
    with contextlib.closing(sqlite3.connect(path)) as earlier:
        earlier.execute("CREATE TABLE keys (uid INTEGER, key TEXT) STRICT")
    content = path.read_bytes().replace(b"TEXT)", b"\xff\xfe\xfd\xfc)")
    path.write_bytes(content if how == "no text" else b"nonsense" * 1000)

    database = Database(tmp_path, NOTHING)

    key = CallersKey(1, "k")
    assert Keys(database.connection, "run").claim(key.uid, key.text, 1.0) is Standing.FRESH
    database.close()
