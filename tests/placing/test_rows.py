import os
import sqlite3
import stat
from datetime import UTC, datetime, timedelta

import pytest

from aimx.channel.placing import Folder
from aimx.placing.database import RowsError
from aimx.placing.mailboxes import Place
from aimx.placing.rows import Row, Rows

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ROW = Row(b"1" * 32, Place("a.example", Folder.INBOX, "info"), "stem", 2**64 - 1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "placed.db"


@pytest.fixture
def rows(path):
    opened = Rows(path)
    yield opened
    opened.close()


def test_a_row_is_unconfirmed_until_it_is_confirmed(rows, path):
    rows.record([ROW], (), NOW)
    assert rows.unconfirmed() == [ROW]

    rows.confirm([ROW.fingerprint])
    assert rows.has_unsaved
    rows.save(NOW)

    assert (rows.unconfirmed(), rows.has_unsaved) == ([], False)
    assert rows.stem(ROW.fingerprint, NOW) == "stem"


def test_a_withdrawn_row_counts_no_more_even_before_it_is_gone(rows):
    rows.record([ROW], (), NOW)
    rows.withdraw([ROW.fingerprint])

    assert rows.stem(ROW.fingerprint, NOW) is None
    rows.save(NOW)
    assert rows.unconfirmed() == []


def test_a_row_that_is_withdrawn_and_recorded_again_counts(rows):
    rows.record([ROW], (), NOW)
    rows.withdraw([ROW.fingerprint])
    rows.record([ROW], (), NOW)

    assert rows.stem(ROW.fingerprint, NOW) == "stem"


def test_old_rows_are_forgotten_on_disk_too(rows, path):
    rows.record([ROW], (), NOW)
    rows.confirm([ROW.fingerprint])
    rows.save(NOW)

    rows.record([], [b"other"], NOW + timedelta(hours=25))

    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM placed").fetchone() == (0,)
    database.close()


def test_a_record_that_fails_changes_nothing(rows):
    rows.record([ROW], (), NOW)
    rows.confirm([ROW.fingerprint])
    rows.close()

    with pytest.raises(RowsError):
        rows.save(NOW)

    assert rows.has_unsaved


@pytest.mark.parametrize("damage", ["header", "page", "all"])
def test_a_corrupt_database_is_set_aside_with_its_date_and_said_loudly(path, damage, capsys):
    rows = Rows(path)
    for number in range(200):
        rows.record([Row(os.urandom(32), ROW.place, f"stem-{number}", number)], (), NOW)
    rows.close()
    content = bytearray(path.read_bytes())
    match damage:
        case "header":
            content[:16] = b"no database here"
        case "page":
            content[4096:8192] = os.urandom(4096)
        case _:
            content[:] = os.urandom(len(content))
    path.write_bytes(content)

    rows = Rows(path)

    assert rows.unconfirmed() == []
    (aside,) = path.parent.glob("placed.db.set-aside-20*Z")
    assert aside.read_bytes() == content
    assert "was corrupt and is begun anew" in capsys.readouterr().out
    rows.close()


def test_a_database_that_turns_out_corrupt_at_work_is_begun_anew(path):
    rows = Rows(path)
    # More than SQLite keeps in memory.
    many = [Row(os.urandom(32), ROW.place, f"stem-{number}", number) for number in range(30_000)]
    rows.record(many, (), NOW)
    rows.close()
    rows = Rows(path)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))

    with pytest.raises(RowsError):
        rows.record(many, (), NOW)

    rows.record([ROW], (), NOW)
    assert rows.stem(ROW.fingerprint, NOW) == "stem"
    assert list(path.parent.glob("placed.db.set-aside-*"))
    rows.close()


@pytest.mark.parametrize("form", ["", " WITHOUT ROWID"])
def test_what_an_older_aimx_placed_counts_in_whatever_directory(path, form):
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE placed (fingerprint BLOB PRIMARY KEY, domain TEXT NOT NULL, folder"
            " INTEGER NOT NULL, name TEXT NOT NULL, stem TEXT NOT NULL, inode TEXT NOT NULL, placed"
            f" INTEGER NOT NULL, hit REAL NOT NULL){form}"
        )
        row = (ROW.fingerprint, "a.example", Folder.INBOX, "info", "stem", "7", 1, NOW.timestamp())
        database.execute("INSERT INTO placed VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    database.close()
    other = ROW._replace(fingerprint=b"2" * 32, mailbox="7.1")

    for _ in range(2):
        rows = Rows(path)
        rows.record([other], (), NOW)
        before = rows.before([ROW.fingerprint, other.fingerprint], NOW)
        rows.close()

    assert before[ROW.fingerprint].is_in("9.1")
    assert not before[other.fingerprint].is_in("9.1")
    assert before[other.fingerprint].is_in("7.1")


def test_a_place_that_is_no_file_is_told(tmp_path):
    with pytest.raises(RowsError, match="cannot be opened"):
        Rows(tmp_path)


def test_nobody_else_may_read_the_database(tmp_path):
    before = os.umask(0o077)
    rows = Rows(tmp_path / "placed.db")
    os.umask(before)

    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    rows.close()
