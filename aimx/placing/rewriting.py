"""A message that takes the place of one that was handed out, if nobody has touched that since."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from aimx.channel.packets import close_all
from aimx.channel.placing import Outcome, Seen
from aimx.placing import reading
from aimx.placing.drafts import File
from aimx.placing.failure import PlacingError
from aimx.placing.mailboxes import Mailbox


@dataclass(slots=True)
class Rewrite:
    """The new file, which becomes the text of a message that is there, alone or in its bundle.

    Between the last look and the rename its owner may still write: what he then wrote is lost.
    """

    file: File  # Has a name under the placing directory.
    seen: Seen
    target: int | None = None  # The directory that it was renamed into: the mailbox's, or a bundle.

    @property
    def inode(self) -> int:
        return self.file.inode

    @property
    def flushed(self) -> Sequence[int]:
        return self.file.flushed

    def publish(self, mailbox: Mailbox, stem: str) -> None:
        name, desk = f"{stem}.md", self.file.desk
        assert self.file.name is not None
        self.target = self._target(mailbox, stem)
        desk.disk.rename(self.file.name, desk.directory, name, self.target)
        self.file.name = None

    def _target(self, mailbox: Mailbox, stem: str) -> int:
        """Where what was handed out is now, and as it was; else a `PlacingError`."""
        for directory in (".", stem):
            with contextlib.suppress(OSError):
                inside = os.open(directory, reading.DIRECTORY, dir_fd=mailbox.descriptor)
                if self._is_as_seen(inside, f"{stem}.md", mailbox.uid):
                    return inside
                os.close(inside)
        raise PlacingError(f"{stem} was changed meanwhile", Outcome.CHANGED)

    def _is_as_seen(self, directory: int, name: str, uid: int) -> bool:
        try:
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except OSError:
            return False
        return reading.is_message(found, uid) and Seen.of(found) == self.seen

    def changes(self, mailbox: Mailbox) -> Sequence[int]:
        assert self.target is not None
        return (self.target, self.file.desk.directory)

    def withdraw(self, mailbox: Mailbox, stem: str) -> None:
        """What was there before cannot be had back, and this is as whole as that was."""

    def discard(self) -> None:
        self.file.discard()
        if self.target is not None:
            close_all((self.target,))
