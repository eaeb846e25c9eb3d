"""`aimx queue`: what waits to be sent, and what a person wants of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from aimx.cli import administer, roots, terminal
from aimx.cli.options import MisusedError, Options, Parser, name
from aimx.cli.suspend import duration
from aimx.doors.exits import Exit
from aimx.doors.socket import client

_NO_DAEMON = (
    "no daemon runs here, and the queue is its own; start `aimx serve`: what waits"
    " goes on by itself"
)
_DONE = {
    "hold": "Held; `aimx queue release {id}` lets it go on.",
    "release": "It goes on.",
    "retry": "It is tried now.",
    "cancel": "It is tried no more. Whoever has it keeps it.",
}


def arguments(parser: Parser) -> None:
    listing = parser.nest("list", "list the messages that wait, or that nobody knows the fate of")
    listing.add_argument("--json", action="store_true", help="the same as data")
    for what, summary in (
        ("show", "show a message, its recipients, and what was tried"),
        ("hold", "let a message wait until it is released"),
        ("release", "let a message that is held go on"),
        ("retry", "try a message now, also one that its host may have already"),
        ("cancel", "try a message no more"),
    ):
        one = parser.nest(what, summary)
        one.add_argument(
            "id",
            metavar="ID",
            type=name,
            nargs="?" if what == "retry" else None,
            help="of a message",
        )
        if what == "hold":
            one.add_argument(
                "--for",
                dest="lasting",
                type=duration,
                default=None,
                metavar="DURATION",
                help="let it go on by itself after so long, such as 90m, 2h or 1d",
            )
        if what == "retry":
            one.add_argument("--all", action="store_true", help="all that wait for their time")
        one.add_argument("--json", action="store_true", help="the message as data")


def run(options: Options) -> int:
    asked: str | None = getattr(options, "id", None)
    if options.does == "retry" and (asked is None) != options.all:
        raise MisusedError("it takes the ID of a message, or --all")
    headers = {"Do": options.does, **({"Name": asked} if asked else {})}
    if lasting := getattr(options, "lasting", None):
        headers["For"] = lasting
    chosen = roots.chosen(options)
    headers |= {each.title(): path for each, path in chosen.items()}
    try:
        reply = client.call(os.path.join(chosen["runtime-dir"], "aimx.sock"), "QUEUE", headers)
    except client.UnreachableError:
        return administer.refuse(options, Exit.NO_DAEMON, _NO_DAEMON)
    except client.ReplyError as cause:
        return administer.refuse(options, Exit.ERROR, str(cause))
    if isinstance(reply, client.Err):
        return administer.refuse(options, Exit.ERROR, f"{reply.reason} [{reply.code}]")
    terminal.say(_output(options, reply.document))
    return Exit.DONE


def _output(options: Options, document: Mapping[str, Any]) -> str:
    if options.json:
        return json.dumps(document, indent=2, ensure_ascii=False)
    if options.does == "list":
        return "\n".join(_listed(document))
    if "recipients" not in document:
        return f"{_counted(document['messages'], 'message')} tried now."
    if options.does == "show":
        return "\n".join(_shown(document))
    return f"{_line(document)}\n{_done(options.does, document)}"


def _done(does: str, document: Mapping[str, Any]) -> str:
    due = document["next_attempt_at"]
    if does == "hold" and due:
        return f"Held until {due}; `aimx queue release {document['id']}` lets it go on before."
    if does in ("release", "retry") and due > datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"):
        return f"It is tried at {due}: not sooner than a minute after the last attempt."
    return _DONE[does].format(id=document["id"])


def _listed(document: Mapping[str, Any]) -> Iterator[str]:
    if not document["messages"]:
        yield "Nothing waits to be sent."
    for message in document["messages"]:
        more = message["recipients"] - 1
        to = f"{message['to']}{f' and {more} more' if more else ''}"
        yield _cut(f"{_line(message)}  {message['from']} to {to}")
        told = [f"next attempt {message['next_attempt_at']}"] if message["next_attempt_at"] else []
        told += [message["reason"]] if message["reason"] else []
        if told:
            yield _cut(f"    {': '.join(told)}")
    if document["more"]:
        yield f"... and {document['more']} more."


def _shown(document: Mapping[str, Any]) -> Iterator[str]:
    yield _line(document)
    for title, key in (
        ("from", "from"),
        ("subject", "subject"),
        ("message-id", "message_id"),
        ("queued", "queued_at"),
        ("done", "closed_at"),
        ("sent copy", "sent_copy"),
    ):
        if document[key]:
            yield _cut(f"  {title:<11}{document[key]}")
    yield "recipients:"
    for each in document["recipients"]:
        tried = f", {_counted(each['attempts'], 'attempt')}" if each["attempts"] else ""
        due = f", next {each['next_attempt_at']}" if each["next_attempt_at"] else ""
        yield _plain(f"  {each['address']}: {each['state']}{tried}{due}")
        if each["told"]:
            yield _plain(f"    {each['told']}")
    if document["history"]:
        yield "history:"
    for event in document["history"]:
        place = f" ({event['destination']})" if event["destination"] else ""
        yield _plain(f"  {event['at']} {event['status']}{place}: {event['details']}")


def _line(message: Mapping[str, Any]) -> str:
    return f"{message['id']}  {message['state']:<9}"


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _cut(text: str) -> str:
    plain = _plain(text)
    return terminal.shortened(plain, terminal.columns()) if terminal.is_terminal() else plain


def _plain(text: str) -> str:
    """What hosts and authors said."""
    return terminal.plain(text).rstrip()
