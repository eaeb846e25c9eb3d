"""Why a message is not sent, and the code that its author gets."""

from __future__ import annotations

from enum import StrEnum

from aimx.mail.error import MailError
from desired.frozen import frozen


class Code(StrEnum):
    """The error codes that SEND may answer with; clients match on them."""

    MALFORMED = "MALFORMED"
    DOMAIN = "DOMAIN"
    BODY_TOO_LARGE = "BODY_TOO_LARGE"
    SIGN = "SIGN"
    EACCES = "EACCES"  # A limit that does not pass by itself.
    TEMP = "TEMP"  # Nothing went out; the same message may be sent again.
    DELIVERY = "DELIVERY"


@frozen
class NotSent:
    """The message, or a part of it, did not go out."""

    code: Code
    reason: str


class SubmissionError(MailError):
    """A submission that breaks a rule. Its text is for the author, and may name an address."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code

    @property
    def refusal(self) -> NotSent:
        return NotSent(self.code, str(self))


def malformed(text: str) -> SubmissionError:
    return SubmissionError(Code.MALFORMED, text)
