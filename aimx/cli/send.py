"""`aimx send`: hand a message to the daemon, as the user that one is."""

from __future__ import annotations

import argparse
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path

from aimx.cli import roots, terminal
from aimx.doors.exits import Exit
from aimx.doors.socket import client


def arguments(parser: argparse.ArgumentParser) -> None:
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


def run(options: argparse.Namespace) -> int:
    if os.geteuid() == 0 and not _is_rootless(options):
        terminal.tell("send is a per-user operation, run without sudo")
        return Exit.NO_DAEMON
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
        references=options.references if options.reply_to else "",
        attachments=options.attachment,
    )
    try:
        submission = message(draft, f"<{uuid.uuid4()}@{domain}>", datetime.now(UTC))
        html = options.html_body.read_bytes() if options.html_body else b""
    except (DraftError, OSError) as cause:
        terminal.tell(f"aimx send: {cause}")
        return Exit.ERROR
    return _hand_in(options, submission, html)


def _is_rootless(options: argparse.Namespace) -> bool:
    """Root may run an instance of its own, for example in a container; then it is the user."""
    return roots.chosen(options)["config-dir"] != "/etc/aimx"


def _hand_in(options: argparse.Namespace, submission: bytes, html: bytes) -> int:
    headers = {"Content-Length": str(len(submission))}
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
        terminal.tell("aimx daemon not running. Check 'systemctl status aimx'")
        return Exit.NO_DAEMON
    except client.ReplyError as cause:
        terminal.tell(f"aimx send: {cause}")
        return 3
    if isinstance(reply, client.Err):
        terminal.tell(f"Error [{reply.code}]: {reply.reason}")
        return Exit.ERROR
    terminal.tell(f"Email sent.\nMessage-ID: {reply.detail}")
    terminal.say(reply.detail)
    return Exit.DONE
