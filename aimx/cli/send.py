"""`aimx send`: hand a message to the daemon, as the user that one is."""

from __future__ import annotations

import json
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path

from aimx.cli import administer, roots, terminal
from aimx.cli.options import Options, Parser
from aimx.doors.exits import Exit
from aimx.doors.socket import client

_MALFORMED = 3  # What came back is no reply; so also ends the older system's command.


def arguments(parser: Parser) -> None:
    parser.add_argument(
        "--from", dest="author", required=True, metavar="ADDRESS", help="a mailbox of yours"
    )
    parser.add_argument("--to", required=True, metavar="ADDRESSES")
    parser.add_argument("--cc", default="", metavar="ADDRESSES")
    parser.add_argument("--bcc", default="", metavar="ADDRESSES")
    parser.add_argument("--subject", required=True)
    parser.add_argument("--body", required=True, help="Markdown")
    parser.add_argument(
        "--reply-to", default="", metavar="MESSAGE-ID", help="the message that this answers"
    )
    parser.add_argument("--references", default="", metavar="MESSAGE-IDS")
    parser.add_argument("--attachment", action="append", default=[], type=Path, metavar="FILE")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--text-only", action="store_true", help="do not add an HTML part")
    form.add_argument("--html-body", type=Path, metavar="FILE", help="the HTML part, ready made")
    parser.add_argument(
        "--idempotency-key", default="", metavar="KEY", help="the same key never sends twice"
    )
    parser.add_argument("--json", action="store_true", help="what became of it as data")


def run(options: Options) -> int:
    if os.geteuid() == 0 and not _is_rootless(options):
        told = "send is a per-user operation, run without sudo"
        return administer.refuse(options, Exit.NO_DAEMON, told)
    from aimx.doors.draft import Draft, DraftError, message

    author = options.author
    domain = author.rpartition("@")[2].rstrip("> ") if "@" in author else "localhost"
    draft = Draft(
        author=author,
        to=options.to,
        cc=options.cc,
        bcc=options.bcc,
        subject=options.subject,
        body=options.body,
        in_reply_to=options.reply_to,
        references=options.references,
        attachments=options.attachment,
    )
    try:
        submission = message(draft, f"<{uuid.uuid4()}@{domain}>", datetime.now(UTC))
        html = options.html_body.read_bytes() if options.html_body else b""
    except (DraftError, OSError) as cause:
        return administer.refuse(options, Exit.ERROR, str(cause))
    return _hand_in(options, submission, html)


def _is_rootless(options: Options) -> bool:
    """Root may run an instance of its own, for example in a container; then it is the user."""
    return roots.chosen(options)["config-dir"] != "/etc/aimx"


def _hand_in(options: Options, submission: bytes, html: bytes) -> int:
    # An older daemon does not know the format, and answers with the Message-ID alone.
    headers = {"Content-Length": str(len(submission)), "Format": "json"}
    if html:
        headers["Html-Body-Length"] = str(len(html))
    if options.text_only:
        headers["Text-Only"] = "true"
    if options.idempotency_key:
        headers["Idempotency-Key"] = options.idempotency_key
    socket = os.path.join(roots.chosen(options)["runtime-dir"], "aimx.sock")
    try:
        reply = client.call(socket, "SEND", headers, submission + html)
    except client.UnreachableError:
        message = "aimx daemon not running. Check 'systemctl status aimx'"
        return administer.refuse(options, Exit.NO_DAEMON, message)
    except client.ReplyError as cause:
        return administer.refuse(options, _MALFORMED, str(cause))
    if isinstance(reply, client.Err):
        return administer.refuse(options, Exit.ERROR, f"{reply.reason} [{reply.code}]")
    _tell(options, reply)
    return Exit.DONE


def _tell(options: Options, reply: client.Ok) -> None:
    """What a script reads is the Message-ID, whatever became of the message."""
    document = reply.document or {"state": "delivered", "message_id": reply.detail.strip("<>")}
    if options.json:
        terminal.say(json.dumps(document, indent=2, ensure_ascii=False))
        return
    message_id, name = f"<{document['message_id']}>", document.get("id")
    if document["state"] == "queued":
        terminal.tell(f"Email queued as {name}.\nMessage-ID: {message_id}")
        terminal.tell(f"`aimx queue show {name}` tells what becomes of it.")
    else:
        terminal.tell(f"Email sent.\nMessage-ID: {message_id}")
    terminal.say(message_id)
