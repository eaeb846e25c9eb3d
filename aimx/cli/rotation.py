"""A domain's DKIM key is replaced without a gap: made, published, and only then signed with."""

from __future__ import annotations

import re

from aimx.cli import administer, amend, publish, terminal
from aimx.cli.options import Options
from aimx.controller.amendments import MakeKey, SetSelector
from aimx.doors.exits import Exit
from aimx.doors.wish import Question


def rotated(options: Options) -> int:
    """Make the key, see to it that it is published, and switch; each is a plan of its own."""
    known = publish.records(options, options.domain)
    if not known:  # Whoever is asked again says why.
        return administer.tell(
            options, administer.report(options, Question("LIST", options.domain, "records"))
        )
    domain, selector = known["domain"], options.selector or following(known["selector"])
    code = amend.amended(options, MakeKey(domain, selector))
    if options.dry_run or code != Exit.DONE:
        return code
    document = publish.records(options, f"dkim/{domain}/{selector}")
    if not publish.told(options, document) and not _is_out(options, document):
        again = f"aimx domains rotate-dkim {domain} --selector {selector}"
        told = f"mail is signed as before; when the record is published, run `{again}`"
        return administer.refuse(options, Exit.REFUSED, told)
    code = amend.amended(options, SetSelector(domain, selector))
    if amend.is_done(options, code):
        terminal.say(f"Mail of {domain} is signed with the key of {selector}.")
    return code


def _is_out(options: Options, document: dict[str, object]) -> bool:
    """Whether to go on though nobody on a terminal saw it published."""
    if options.no_dns_check:
        return True
    return not terminal.can_ask() and publish.is_published(document)


def following(selector: str) -> str:
    """The next one: aimx, aimx2, aimx3."""
    found = re.fullmatch(r"(.*?)([1-9][0-9]*)?", selector)
    stem, number = (found[1], found[2]) if found else (selector, None)
    return f"{stem}{int(number or 1) + 1}"
