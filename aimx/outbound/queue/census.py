"""How many messages wait in which state, and since when: for the metrics."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from aimx.outbound.queue.database import NAME, QueueError
from aimx.outbound.queue.states import State

SETTLED = "settled"  # Nothing of it will be sent any more, and its mailbox is owed something.
# Each message is as the first of these that a recipient of it is.
_ORDER = (State.LEAVING, State.QUEUED, State.DEFERRED, State.HELD, State.UNKNOWN)
_WORDS = (*(state.value for state in _ORDER), SETTLED)
_RANK = " ".join(f"WHEN '{state.value}' THEN {rank}" for rank, state in enumerate(_ORDER))
_COUNTED = (
    "SELECT rank, count(*), min(queued) FROM (SELECT messages.queued AS queued,"
    f" min(CASE state {_RANK} ELSE {len(_ORDER)} END) AS rank"
    " FROM messages JOIN recipients ON message = id WHERE closed IS NULL GROUP BY id)"
    " GROUP BY rank"
)


def census(directory: Path) -> Mapping[str, tuple[int, float]]:
    """By state how many there are, and since when the oldest is (seconds since 1970).

    Read beside whoever writes, who does not wait for it; raises `QueueError`.
    """
    path = directory / NAME
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            found = connection.execute(_COUNTED).fetchall()
    except sqlite3.Error as cause:
        raise QueueError(f"{path}: {cause}") from cause
    counted = {_WORDS[rank]: (number, oldest) for rank, number, oldest in found}
    return {word: counted.get(word, (0, 0.0)) for word in _WORDS}
