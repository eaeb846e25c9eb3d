"""What lies in the mailboxes, held against what was sent."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tomli

from .daemon import Daemon
from .letters import HOOKED, MAILBOXES, Letter


class Shelves:
    """All mailboxes. Each message is read once, when it is seen first."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._seen: dict[Path, str] = {}  # The Message-ID of what is read.
        # By Message-ID and mailbox, the stems.
        self.there: defaultdict[tuple[str, str], list[str]] = defaultdict(list)

    def look(self, begun: Iterable[Letter]) -> Iterator[str]:
        """Read what is new, and tell what is not whole."""
        new = [
            (name, path)
            for name in (*MAILBOXES, HOOKED)
            for path in _messages(self._daemon.mailbox(name))
            if path not in self._seen
        ]
        # Afterwards, since whatever is there by now had begun before.
        by_id = {each.message_id: each for each in tuple(begun)}
        for name, path in new:
            try:
                yield from self._read(name, path, by_id)
            except (OSError, ValueError, KeyError) as cause:
                self._seen[path] = ""
                yield f"{path}: {cause!r}"

    def _read(self, name: str, path: Path, by_id: dict[str, Letter]) -> Iterator[str]:
        fields, body = _parsed(path)
        self._seen[path] = fields["message_id"]
        self.there[fields["message_id"], name].append(path.stem)
        if fields["id"] != path.stem:
            yield f"{path} calls itself {fields['id']}"
        yield from _unwhole(path, fields, body, by_id[fields["message_id"]])

    def missing(self, taken: Iterable[Letter]) -> Iterator[str]:
        """Of what got its 250, what is not there exactly once in each of its mailboxes."""
        for letter in taken:
            for name in letter.mailboxes:
                found = self.there.get((letter.message_id, name), [])
                if len(found) != 1:
                    yield f"{letter.number} is in {name} {len(found)} times: {found}"

    def twice(self) -> Iterator[str]:
        """What is there more than once, whether it was taken or not."""
        for (message_id, name), stems in self.there.items():
            if len(stems) > 1:
                yield f"{message_id} is in {name} as {stems}"

    def unfired(self) -> list[str]:
        """The stems whose hook has neither run nor is known to be interrupted."""
        settled = set(self._fired()) | set(self._interrupted())
        return [stem for stem in self._hooked() if stem not in settled]

    def misfired(self) -> Iterator[str]:
        for stem, times in self._fired().items():
            if times > 1:
                yield f"the hook of {stem} ran {times} times"
        for stem in self._fired().keys() - set(self._hooked()):
            yield f"a hook ran for {stem}, which is not there"

    def _hooked(self) -> list[str]:
        return [stem for (_, name), stems in self.there.items() if name == HOOKED for stem in stems]

    def _fired(self) -> Counter[str]:
        return Counter(self._daemon.fired.read_text().split())

    def _interrupted(self) -> Iterator[str]:
        for line in self._daemon.log.splitlines():
            if '"interrupted"' in line:
                yield json.loads(line)["email_id"]


def _messages(mailbox: Path) -> Iterator[Path]:
    """A bundle counts by its name alone, so that one without its message is told."""
    for path in mailbox.iterdir():
        yield path / f"{path.name}.md" if path.is_dir() else path


def _parsed(path: Path) -> tuple[dict[str, Any], str]:
    lines = path.read_text().split("\n")
    end = lines.index("+++", 1)
    return tomli.loads("\n".join(lines[1:end])), "\n".join(lines[end + 1 :])


def _unwhole(path: Path, fields: dict[str, Any], body: str, letter: Letter) -> Iterator[str]:
    if letter.text.replace("\r\n", "\n").strip() not in body:
        yield f"{path} has not the text that was sent"
    beside = {each["path"] for each in fields.get("attachments", [])}
    if beside != letter.attachments.keys():
        yield f"{path} has the attachments {beside}"
    for name, content in letter.attachments.items():
        file = path.parent / name
        if not file.exists() or file.read_bytes() != content:
            yield f"{file} is not what was sent"
    if letter.attachments and {each.name for each in path.parent.iterdir()} != {path.name, *beside}:
        yield f"{path.parent} has more in it"
