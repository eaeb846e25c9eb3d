"""What kept a wish from being carried out, in the form that was asked for.

A refusal begins in lower case, since it stands behind the command's name, and ends in a full stop:
`aimx plan: generation 7 is not on record; `aimx history` lists those that are.`
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from aimx.doors.wish import Answer

FORMAT, FORMAT_VERSION = "aimx.refusal", "1.0"
# Where all of what is wrong with a manifest is told, of which a screen shows a part.
ALL_PROBLEMS = "`aimx validate --json` lists"


def refused(
    code: int, message: str, view: str, resources: Sequence[tuple[str, str]] = ()
) -> Answer:
    """`resources` are addresses and reasons that `message` has as text already."""
    if view != "json":
        return Answer(code, message, refusal=True)
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "exit": int(code),
        "message": sentence(message),
        "resources": [{"address": address, "reason": reason} for address, reason in resources],
    }
    return Answer(code, json.dumps(document, indent=2))


def sentence(text: str) -> str:
    """The text with its full stop, unless a block stands behind it that is there to be copied."""
    return text if "\n\n" in text or text.endswith((".", "?", "!", ":")) else f"{text}."


def message_of(answer: Answer) -> str:
    """What the answer says, also where it is a document of a refusal."""
    try:
        found = json.loads(answer.output)
    except ValueError:
        return answer.output
    is_refusal = isinstance(found, Mapping) and found.get("format") == FORMAT
    return str(found["message"]) if is_refusal else answer.output
