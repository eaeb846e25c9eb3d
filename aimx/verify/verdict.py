"""What the checks of one message came to, in the words of RFC 8601 2.7."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from aimx.mail.author import Author, NoAuthor
from desired.frozen import field, frozen

SpfVerdict: TypeAlias = Literal[
    "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"
]
DkimVerdict: TypeAlias = Literal[
    "none", "pass", "fail", "neutral", "policy", "temperror", "permerror"
]
DmarcVerdict: TypeAlias = Literal["none", "pass", "fail", "temperror", "permerror"]
Policy: TypeAlias = Literal["", "none", "quarantine", "reject"]

_UNREAD = NoAuthor("Nobody has looked who the author is.")


@frozen
class Spf:
    """Whether the client may send for the domain (RFC 7208)."""

    verdict: SpfVerdict
    reason: str
    domain: str  # The sender's; the HELO name for the null sender.


class Signature(NamedTuple):
    """One DKIM-Signature field (RFC 6376)."""

    domain: str  # `d=`; empty if the field could not be read so far.
    selector: str
    verdict: DkimVerdict
    reason: str
    signed_at: datetime | None = None  # `t=`, else the Date field if it is signed.
    covers_body: bool = False  # False with `l=`: anything may follow what was signed.


@frozen
class Dmarc:
    """Whether the author's domain stands behind the message (RFC 9989)."""

    verdict: DmarcVerdict
    policy: Policy  # What the domain asks for if this fails; empty: it says nothing.
    reason: str
    organizational_domain: str = ""  # The author's; empty: could not be found out.


@frozen
class Verdicts:
    """Every check of one message, and what is needed to decide on trust."""

    spf: Spf
    dkim: tuple[Signature, ...]
    dmarc: Dmarc
    # The organizational domain of each domain whose signature passes, where it could be found out.
    organizations: Mapping[str, str] = field(default_factory=dict)
    author: Author | NoAuthor = _UNREAD

    @property
    def spf_verdict(self) -> SpfVerdict:
        return self.spf.verdict

    @property
    def dkim_verdict(self) -> Literal["pass", "fail", "none", "temperror"]:
        """All signatures in one word: the best of them, since one is enough."""
        if not self.dkim:
            return "none"
        found = {signature.verdict for signature in self.dkim}
        if "pass" in found:
            return "pass"
        if "temperror" in found:
            return "temperror"
        return "fail" if found & {"fail", "policy", "permerror"} else "none"

    @property
    def dmarc_verdict(self) -> Literal["pass", "fail", "none", "temperror"]:
        return "fail" if self.dmarc.verdict == "permerror" else self.dmarc.verdict
