"""`queue.db` as its releases made it: each step brings it from one to the next, once."""

from __future__ import annotations

# The number of the last one that was taken is the database's `user_version`. Never edited.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE keys (
            uid INTEGER NOT NULL,
            key TEXT NOT NULL,
            run TEXT NOT NULL,          -- Of the process that began.
            settled INTEGER NOT NULL,
            code TEXT NOT NULL,
            text TEXT NOT NULL,
            began REAL NOT NULL,        -- Seconds since 1970, as all times here.
            PRIMARY KEY (uid, key)
        ) WITHOUT ROWID, STRICT
        """,
        """
        CREATE TABLE messages (
            id TEXT PRIMARY KEY,
            author TEXT NOT NULL,       -- The mailbox that it is from.
            message_id TEXT NOT NULL,   -- Without brackets.
            subject TEXT NOT NULL,
            size INTEGER NOT NULL,
            international INTEGER NOT NULL,
            queued REAL NOT NULL,
            halt TEXT NOT NULL,
            origin BLOB NOT NULL,       -- The fingerprint of its sent copy.
            stem TEXT NOT NULL,         -- Of that copy; empty while it is not placed.
            closed REAL                 -- When nothing was left to do. Its letter is gone then.
        ) WITHOUT ROWID, STRICT
        """,
        """
        CREATE TABLE recipients (
            message TEXT NOT NULL REFERENCES messages ON DELETE CASCADE,
            place INTEGER NOT NULL,
            address TEXT NOT NULL,
            destination TEXT NOT NULL,
            state TEXT NOT NULL,
            attempts INTEGER NOT NULL,
            due REAL NOT NULL,
            changed REAL NOT NULL,
            told TEXT NOT NULL,         -- The reason, or where and how it was delivered.
            open INTEGER NOT NULL,      -- In an attempt that the history does not have yet.
            bounce INTEGER NOT NULL,    -- 1: is to be told of by a bounce.
            PRIMARY KEY (message, place)
        ) WITHOUT ROWID, STRICT
        """,
        "CREATE INDEX recipients_due ON recipients (destination, due)"
        " WHERE state IN ('queued', 'deferred')",
        "CREATE INDEX recipients_next ON recipients (due) WHERE state IN ('queued', 'deferred')",
        "CREATE INDEX recipients_open ON recipients (message) WHERE open = 1",
        """
        CREATE TABLE history (
            message TEXT NOT NULL REFERENCES messages ON DELETE CASCADE,
            number INTEGER NOT NULL,
            at REAL NOT NULL,
            destination TEXT NOT NULL,  -- Of an attempt; else empty.
            status TEXT NOT NULL,
            details TEXT NOT NULL,
            pending INTEGER NOT NULL,   -- 1: the sent copy does not say so yet.
            PRIMARY KEY (message, number)
        ) WITHOUT ROWID, STRICT
        """,
        "CREATE INDEX history_pending ON history (message) WHERE pending = 1",
    ),
    (
        # Of the queue, that was taken under the key; empty: it was sent at once.
        "ALTER TABLE keys ADD COLUMN message TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE messages ADD COLUMN held_until REAL",  # NULL: until a person releases it.
        "CREATE INDEX messages_open ON messages (queued) WHERE closed IS NULL",
        "CREATE INDEX messages_held ON messages (held_until) WHERE held_until IS NOT NULL",
    ),
)
