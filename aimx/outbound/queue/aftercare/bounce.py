"""The message that tells a sender that theirs did not arrive (RFC 3464).

It is made from what is on record alone, so that made again it is the same message.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from email.utils import format_datetime

from aimx.outbound import header
from aimx.outbound.queue.recipient import Recipient, time
from aimx.outbound.queue.rows import Message
from desired.frozen import frozen

_REPLY = re.compile(r"(?:^|: )([45][0-9]{2}) (?:([245]\.[0-9]{1,3}\.[0-9]{1,3}) )?")
_OURS = re.compile(r"\((?:[\w ]+, )?(5\.[0-9]{1,3}\.[0-9]{1,3})\)$")  # As we say it ourselves.
_GAVE_UP = "gave up after "
_EXPIRED, _UNKNOWN = "4.4.7", "5.0.0"  # RFC 3463 3.5.
_LONGEST_HEADER = 64 * 1024


@frozen
class Undelivered:
    """A message, those whom it does not reach, and its header as it was sent."""

    message: Message
    recipients: tuple[Recipient, ...]
    header: bytes  # Empty where it is lost.

    @property
    def at(self) -> datetime:
        return time(max(each.changed for each in self.recipients))


def bounce(undelivered: Undelivered, hostname: str) -> bytes:
    """To the message's author, from nobody whom an answer would reach."""
    message = undelivered.message
    failed = "".join(each.address for each in undelivered.recipients)
    mark = hashlib.sha256(f"{message.id}\0{failed}".encode()).hexdigest()[:16]
    fields = [
        ("From", f"Mail Delivery System <MAILER-DAEMON@{hostname}>"),
        ("To", message.author),
        ("Subject", header.unstructured(f"Undelivered: {_line(message.subject)}".rstrip(": "))),
        ("Date", format_datetime(undelivered.at)),
        ("Message-ID", f"<{message.id}.{mark}@{hostname}>"),
        ("In-Reply-To", f"<{message.message_id}>"),
        ("References", f"<{message.message_id}>"),
        ("Auto-Submitted", "auto-replied"),  # RFC 3834 5.
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/report; report-type=delivery-status; boundary="{mark}"'),
    ]
    parts = [b"--%s\r\n%s" % (mark.encode(), part) for part in _parts(undelivered, hostname)]
    head = b"".join(header.field(name, value) for name, value in fields)
    return b"\r\n".join([head, *parts, b"--%s--\r\n" % mark.encode()])


def _parts(undelivered: Undelivered, hostname: str) -> Iterator[bytes]:
    # RFC 6533 3: addresses outside ASCII, and the header that has them.
    kind = "global" if undelivered.message.international else ""
    yield _part("text/plain; charset=utf-8", _sentences(undelivered))
    is_global = kind or not all(map(_is_plain, undelivered.recipients))
    report = "message/global-delivery-status" if is_global else "message/delivery-status"
    yield _part(report, "\r\n\r\n".join(_groups(undelivered, hostname)))
    if undelivered.header:
        shown = "message/global-headers" if kind else "text/rfc822-headers"
        yield _part(shown, undelivered.header[:_LONGEST_HEADER].decode("utf-8", "replace"))


def _part(content_type: str, text: str) -> bytes:
    encoding = "7bit" if text.isascii() else "8bit"
    fields = header.field("Content-Type", content_type)
    fields += header.field("Content-Transfer-Encoding", encoding)
    return fields + b"\r\n" + text.rstrip("\r\n").encode() + b"\r\n"


def _sentences(undelivered: Undelivered) -> str:
    message = undelivered.message
    lines = [
        f"This message of {time(message.queued):%Y-%m-%d %H:%M} UTC was not delivered to:",
        "",
        *(f"* {each.address}: {_line(each.told)}" for each in undelivered.recipients),
        "",
        f"Subject: {_line(message.subject)}",
        f"Message-ID: <{message.message_id}>",
        "",
        "It is not tried again. What became of its other recipients is in your sent copy.",
    ]
    return "\r\n".join(lines)


def _groups(undelivered: Undelivered, hostname: str) -> Iterator[str]:
    """RFC 3464 2.2 and 2.3: of the message, and of each recipient."""
    arrived = format_datetime(time(undelivered.message.queued))
    yield f"Reporting-MTA: dns; {hostname}\r\nArrival-Date: {arrived}"
    for each in undelivered.recipients:
        kind = "rfc822" if _is_plain(each) else "utf-8"
        yield "\r\n".join(
            [
                f"Final-Recipient: {kind}; {each.address}",
                "Action: failed",
                f"Status: {_status(each.told)}",
                *_diagnosis(each.told),
                f"Last-Attempt-Date: {format_datetime(time(each.changed))}",
            ]
        )


def _is_plain(recipient: Recipient) -> bool:
    return recipient.address.isascii()


def _status(told: str) -> str:
    """RFC 3463, as the host said it last."""
    found: Sequence[str] = [reply[1] for reply in _REPLY.findall(told) if reply[1]]
    found = found or _OURS.findall(told)
    if told.startswith(_GAVE_UP):
        return _EXPIRED
    return found[-1] if found and found[-1].startswith("5") else _UNKNOWN


def _diagnosis(told: str) -> Iterator[str]:
    """RFC 3464 2.3.6: the host's own words, on one line of ASCII."""
    found = list(_REPLY.finditer(told))
    if found:
        said = _line(told[found[-1].start(1) :]).encode("ascii", "replace").decode()
        yield f"Diagnostic-Code: smtp; {said}"


def _line(text: str) -> str:
    """Text that cannot begin a field, or end a part."""
    return "".join(each if each.isprintable() else " " for each in text)
