"""DMARC enforced: what is refused since its author's domain asks for it (RFC 9989 5.3.6)."""

from __future__ import annotations

from aimx.mail.author import NoAuthor
from aimx.smtp import replies
from aimx.smtp.replies import Reply
from aimx.verify.domain import canonical
from aimx.verify.verdict import Verdicts


def enforced(verdicts: Verdicts) -> Reply | None:
    """Why the message is not taken; None for one that is.

    One that the domain would have quarantined is taken: an agent's mailbox has no second folder,
    and its file says `dmarc = "fail"`.
    """
    if isinstance(verdicts.author, NoAuthor):
        # With two authors, or none, it would come past every policy.
        return replies.NO_AUTHOR
    if verdicts.dmarc.verdict == "temperror":
        return replies.POLICY_UNKNOWN
    if verdicts.dmarc.verdict == "fail" and verdicts.dmarc.policy == "reject":
        return replies.rejected_by_policy(canonical(verdicts.author.domain) or "its author")
    return None
