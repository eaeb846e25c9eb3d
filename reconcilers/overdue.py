"""Keys that are older than the manifest lets them become: told of, since only a person publishes.

It depends on the time, so that it is no part of a plan: a status tells of it, and the daemon's log.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from desired.desired import Desired, HostedDomain
from desired.frozen import frozen
from desired.quantities import write_duration
from reconcilers.host.host import Host, UnseenError
from reconcilers.roots import Roots
from reconcilers.signing import KeyFiles


@frozen
class Overdue:
    """A key that another should take over from."""

    domain: str
    selector: str
    of: str  # The day on which its file was written, which may be later than it was made.
    every: str  # How old it may become, as a manifest says it.

    @property
    def address(self) -> str:
        return f"dkim/{self.domain}/{self.selector}"

    def __str__(self) -> str:
        return (
            f"`aimx domains rotate-dkim {self.domain}` is due: the key is of {self.of}, and"
            f" dkim.rotate_every is {self.every}"
        )


def overdue(desired: Desired, host: Host, roots: Roots) -> tuple[Overdue, ...]:
    """Those that mail is signed with now. Of one that cannot be seen its kind tells."""
    return tuple(chain.from_iterable(_overdue(domain, host, roots) for domain in desired.domains))


def _overdue(domain: HostedDomain, host: Host, roots: Roots) -> Iterator[Overdue]:
    """Of the keys of a domain the one that a rotation replaces."""
    every, selector = domain.rotate_every, domain.selectors[domain.principal].text
    if every is None:
        return
    home = roots.keys(domain.name.ascii)
    labelled, plain = KeyFiles.labelled(home, selector), KeyFiles.plain(home, domain.principal)
    try:
        since = host.written(labelled.private) or host.written(plain.private)
    except UnseenError:
        return
    if since is not None and host.now() - since >= every:
        of = f"{since:%Y-%m-%d}"
        yield Overdue(domain.name.ascii, selector, of, write_duration(every))
