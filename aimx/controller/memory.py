"""What whoever plans remembers of an instance: that all of it was as desired, when it was seen.

An edit of a few mailboxes or domains is then planned by looking at those. All is looked at again at
the start, on the timer, whenever somebody asks, and after anything that another did or that did not
go well.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from hashlib import sha256

from desired.desired import Desired
from desired.frozen import mutable
from reconcilers.host.host import Reading, UnseenError
from reconcilers.roots import Roots


@mutable
class Memory:
    """Of one planner; two jobs that change anything never run at a time."""

    host: Reading
    roots: Roots
    _desired: Desired | None = None  # What was wanted, and found or made so.
    _config: str = ""  # Digest of the engine config as it was then.

    def recalled(self, desired: Desired) -> Set[str] | None:
        """The addresses that are to be looked at; None: all are."""
        before = self._desired
        if before is None or desired.moved or desired.removed or self._digest() != self._config:
            return None
        if desired.default_domain != before.default_domain or _goes(before, desired):
            return None
        known = before.mailboxes
        mailboxes = {
            f"mailbox/{name}"
            for name, mailbox in desired.mailboxes.items()
            if known.get(name) is not mailbox and known.get(name) != mailbox
        }
        return mailboxes.union(_of_domains(before, desired))

    def settled(self, desired: Desired) -> None:
        """All of it is as it should be; for as long as somebody can tell what was applied."""
        self._config = self._digest()
        self._desired = desired if self._config else None

    def forget(self) -> None:
        self._desired = None

    def _digest(self) -> str:
        """Empty where nobody can look."""
        try:
            return sha256(self.host.read(self.roots.engine_config) or b"").hexdigest()
        except UnseenError:
            return ""


def _goes(before: Desired, desired: Desired) -> bool:
    """Whether a domain does: what is left of it may be anywhere."""
    return not {each.name for each in before.domains} <= {each.name for each in desired.domains}


def _of_domains(before: Desired, desired: Desired) -> Iterator[str]:
    """The addresses of each domain that comes or changes, and of its keys."""
    known = set(before.domains)
    for domain in desired.domains:
        if domain not in known:
            yield f"domain/{domain.name.ascii}"
            yield from (f"dkim/{domain.name.ascii}/{it}" for it in domain.selectors.values())
