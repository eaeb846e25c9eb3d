"""The DNS records of a domain: told, and looked up until they are published."""

from __future__ import annotations

import json
from typing import Any

from aimx.cli import administer, terminal
from aimx.cli.options import Options
from aimx.doors.exits import Exit
from aimx.doors.wish import Question

_QUESTION = "Enter looks again, q leaves: "
_PUBLISHED = "published"


def records(options: Options, domain: str) -> dict[str, Any]:
    """What is to be published, and whom to ask; empty where nobody can tell."""
    asked = Options(**{**vars(options), "json": True, "amendment": None})
    answer = administer.report(asked, Question("LIST", domain, "records"))
    found: dict[str, Any] = json.loads(answer.output) if answer.exit == Exit.DONE else {}
    return found


def told(options: Options, document: dict[str, Any]) -> bool:
    """Tell the records, and on a terminal look them up as often as somebody wants.

    Gives whether all were seen to be published.
    """
    rows = document.get("records", ())
    if not rows:
        return False
    terminal.say("\n".join(["", "Publish in the DNS:", "", *(row["line"] for row in rows)]))
    if options.no_dns_check or not terminal.can_ask():
        return False
    while not (seen := is_published(document)) and terminal.goes_on(_QUESTION):
        pass
    return seen


def is_published(document: dict[str, Any]) -> bool:
    """Whether the DNS has all of them; tells of each."""
    # Nobody waits for what starts a process until one is to be started.
    from aimx.processes.resolved import resolved
    from desired.publishing import DnsRecord

    members = ("purpose", "name", "type", "value")
    wanted = [DnsRecord(**{name: row[name] for name in members}) for row in document["records"]]
    questions = [(record.name, record.type) for record in wanted]
    answers = resolved(questions, document["resolvers"], document["timeout"])
    said = [_outcome(record, values) for record, values in zip(wanted, answers, strict=True)]
    lines = (f"  {each.purpose:<6}{how}" for each, how in zip(wanted, said, strict=True))
    terminal.tell("\n".join(["", "The DNS says:", *lines]))
    return all(how == _PUBLISHED for how in said)


def _outcome(record: Any, values: list[str] | None) -> str:
    if values is None:
        return "nobody answers"
    if record.is_among(values):
        return _PUBLISHED
    related = [value for value in values if record.type == "MX" or _is_alike(record.value, value)]
    if not related:
        return "not there yet"
    shown = "; ".join(related).encode("unicode_escape").decode("ascii")
    return f"another one: {shown[:60]}"


def _is_alike(wanted: str, value: str) -> bool:
    """A name may have texts that are about something else."""
    return value.split("=", 1)[0].strip() == "v" and value[2:6] == wanted[2:6]
