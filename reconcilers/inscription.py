"""What a tombstone says of the mail in it: whose it was, and how much, from names and sizes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from desired.frozen import asdict, frozen
from reconcilers.counted import counted
from reconcilers.host.host import Nature, Reading
from reconcilers.records import sealed, unsealed

RECORD = "tombstone.json"
_DATE = r"\d{4}-\d{2}-\d{2}"


@frozen
class Amount:
    """How much mail there is."""

    messages: int
    octets: int
    newest: str  # The date of the newest; empty where none has one.

    def __str__(self) -> str:
        received = f", newest {self.newest}" if self.newest else ""
        return f"{counted(self.messages, 'message')}, {counted(self.octets, 'octet')}{received}"


@frozen
class Record:
    """Whose mail a tombstone is, for whoever restores it."""

    address: str
    owner: str
    tombstone: str  # The tombstone's name.
    delete: bool = False  # Somebody asked for the mail to go as well.
    uid: int = -1  # Of the owner; -1 where nobody can tell.
    generation: int = 0  # The first one without the mailbox.
    # Filled in when the mail is set aside.
    at: str = ""
    messages: int = 0
    octets: int = 0
    newest: str = ""

    @property
    def mail(self) -> Amount:
        """How much there was when it was set aside."""
        return Amount(self.messages, self.octets, self.newest)

    @classmethod
    def read(cls, content: bytes | None) -> Record | None:
        """The record, or None where there is none that can be read."""
        try:
            record = cls(**unsealed(content)) if content else None
        except (ValueError, TypeError):
            return None
        return record if record and record._forms == cls("", "", "")._forms else None

    @property
    def _forms(self) -> list[type]:
        return [type(each) for each in asdict(self).values()]

    @property
    def content(self) -> bytes:
        return json.dumps(sealed(asdict(self)), indent=2).encode() + b"\n"


def amount(host: Reading, directories: Iterable[PurePosixPath]) -> Amount:
    """Of the messages in these directories; no file is opened."""
    messages = octets = 0
    newest = ""
    for directory in directories:
        names = host.names(directory) or ()
        for name, entry in (host.look_within(directory, names) or {}).items():
            bundle = entry is not None and entry.nature is Nature.DIRECTORY
            if entry is None or not (bundle or name.endswith(".md")):
                continue
            messages += 1
            octets += _bundled(host, directory / name) if bundle else entry.size
            newest = max(newest, name[:10] if re.match(_DATE, name) else "")
    return Amount(messages, octets, newest)


def _bundled(host: Reading, bundle: PurePosixPath) -> int:
    entries = host.look_within(bundle, host.names(bundle) or ()) or {}
    return sum(entry.size for entry in entries.values() if entry is not None)
