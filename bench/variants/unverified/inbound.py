"""An inbound process whose judge looks nothing up."""

from __future__ import annotations

from aimx.mail.author import author
from aimx.mail.envelope import Incoming
from aimx.processes import inbound
from aimx.verify.resolver import Resolver
from aimx.verify.verdict import Dmarc, Spf, Verdicts

_REASON = "nobody has checked it"


class Unconcerned:
    """A judge, by its interface."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def verdicts(self, incoming: Incoming) -> Verdicts:
        unknown = Spf("none", _REASON, ""), (), Dmarc("none", "", _REASON)
        return Verdicts(*unknown, author=author(incoming.header))


if __name__ == "__main__":
    inbound.Judge = Unconcerned  # type: ignore[assignment, misc]
    inbound.main()
