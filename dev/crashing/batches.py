"""A placer's start and its batches, in a fork that is struck, and what the next start finds.

The batches have a message of each form: in a packet, as a descriptor, with attachments; one that
comes twice; and new texts for two that are there.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from aimx.channel.placing import Outcome
from aimx.placing.control import Take
from aimx.placing.database import NAME, RowsError
from aimx.placing.mailboxes import mark
from aimx.placing.rows import Rows

from .disk import Tree
from .forks import Work
from .letters import INBOX, MESSAGES, NOW, OWNER, PLACING, SPOOL
from .placed import PROMISED, inodes, problems
from .placers import Placer, Way, opened

FIRST, SECOND = ("flat", "bundle", "apart", "flat"), ("flat", "late")
REWRITTEN = ("flat", "bundle")  # Whose text is replaced in the end.


def lay_out(base: Path) -> None:
    for path in (PLACING, SPOOL, INBOX):
        (base / path).mkdir(parents=True)
    inbox = base / INBOX
    inbox.chmod(0o700)
    os.chown(inbox, OWNER.pw_uid, OWNER.pw_gid)


def work(base: Path, way: Way) -> Work:
    """All batches, and again what failed. After each it is said what became of it."""
    return Work(lambda: None, lambda: _all(base, way))


def _all(base: Path, way: Way) -> int:
    with ExitStack() as leaving:
        placer = Placer.begun(base, way, leaving)
        for names in (FIRST, SECOND):
            told = _said(placer.place(names))
            if failed := [name for name, outcome in told.items() if outcome not in PROMISED]:
                _said(placer.place(failed))
        print("inodes", json.dumps(inodes(base)), flush=True)
        for name in REWRITTEN:
            _said(placer.rewrite(name))
        with suppress(RowsError):  # As the placer's loop does.
            placer.desk.clear()
            placer.rows.save(NOW)
        leaving.pop_all()  # Neither is a killed one tidy.
    return 0


def _said(outcomes: dict[str, str]) -> dict[str, str]:
    """Tell it, in one write, so that a log of calls has it as one."""
    print(json.dumps(outcomes))
    sys.stdout.flush()
    return outcomes


def recovered(base: Path, said: dict[str, str]) -> Iterator[str]:
    """What is wrong once the next placer has begun, and all messages came again."""
    with ExitStack() as leaving:
        placer = Placer.begun(base, Way(), leaving)
        yield from (f"after a restart: {each}" for each in problems(base, said, settled=False))
        again = placer.place(list(MESSAGES))
        for name, outcome in again.items():
            if outcome not in PROMISED:
                yield f"{name} is {outcome} when it comes again"
            if said.get(name) in PROMISED and outcome != Outcome.DUPLICATE.name:
                yield f"{name} was known, and is {outcome} when it comes again"
        yield from (f"sent again: {each}" for each in problems(base, said | again, settled=True))
        placer.rows.save(NOW)
        fired = sorted(_fired(placer.rows))
        expected = sorted(each.fingerprint for each in MESSAGES.values() if each.hook)
        if len(fired) != len(expected):
            yield f"{len(fired)} hooks fire, and {len(expected)} messages have one"


def _fired(rows: Rows) -> Iterator[str]:
    """The stems whose hooks are handed out."""
    numbers: tuple[int, ...] = ()
    while row := rows.take(Take(running=numbers, finished=(), busy=(), wanted=True)):
        numbers = (*numbers, row.number)
        yield row.stem


def renumber(tree: Tree, real: dict[int, int], base: Path) -> None:
    """Let the rows know what they speak of by what it is now, in a copy of the machine.

    `real`: of the machine that was, by inode the number in the model.
    """
    database = base / PLACING / NAME
    if not database.exists():
        return
    now = {number: (base / path).stat().st_ino for path, number, _ in tree}
    connection = sqlite3.connect(database, isolation_level=None)
    with suppress(sqlite3.DatabaseError):  # One that is damaged is the placer's matter.
        for fingerprint, inode in connection.execute("SELECT fingerprint, inode FROM placed"):
            there = now.get(real.get(int(inode), -1), 0)
            connection.execute(
                "UPDATE placed SET inode = ? WHERE fingerprint = ?", (str(there), fingerprint)
            )
        with ExitStack() as leaving:
            inbox = mark(opened(base / INBOX, leaving))
        connection.execute("UPDATE placed SET mailbox = ?", (inbox,))
    connection.close()
