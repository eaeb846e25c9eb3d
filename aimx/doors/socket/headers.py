"""What a request asks for, read from its headers; what makes no sense is a `FrameError`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aimx.controller.amendments import Amendment, from_text
from aimx.doors.socket import frames
from aimx.doors.socket.frames import Request
from aimx.doors.socket.submission import Steering
from aimx.doors.wish import LASTING, LISTED, MOST_LANES, Errand, Intent, Question, Wish
from desired.quantities import parse_duration

_LONGEST_HOLD = 366 * 86400  # Seconds: beyond that nobody means a moment.

# The forms of what a verb tells; the first one is told where none is named.
_VIEWS: Mapping[str, tuple[str, ...]] = {
    "GRAPH": ("mermaid", "dot"),
    "PLAN": ("text", "json", "markdown"),
}


def question(request: Request) -> Question | None:
    """What the request wants to be told; None where it wants something else."""
    match request.verb:
        case "EXPLAIN":
            return Question("EXPLAIN", address=request.headers["address"])
        case "GRAPH":
            return Question("GRAPH")
        case "LIST":
            return _listing(request)
        case "DIFF":
            return Question("DIFF", generations=_numbers(request, "from", "to"))
        case "HISTORY":
            return Question("HISTORY", generations=_numbers(request, "generation"))
        case _:
            return None


def _listing(request: Request) -> Question:
    of, address = request.headers["of"], request.headers.get("address", "")
    if of not in LISTED:
        raise frames.malformed(f"of must be one of {', '.join(LISTED)}")
    return Question("LIST", address, of)


def steering(request: Request, uid: int | None) -> Steering:
    does, name = request.headers["do"], request.headers.get("name", "")
    lasting = request.headers.get("for", "")
    if lasting and (does != "hold" or not re.fullmatch(LASTING, lasting)):
        raise frames.malformed("for must be a duration such as 2h or 1d, with do: hold alone")
    match does:
        case "list" if not name:
            return Steering(does, "", uid)
        case "hold" if lasting and name:
            seconds = int(parse_duration(lasting).total_seconds())
            return Steering(does, name, uid, min(seconds, _LONGEST_HOLD))
        case "retry":
            return Steering(does, name, uid)
        case "show" | "hold" | "release" | "cancel" if name:
            return Steering(does, name, uid)
        case _:
            raise frames.malformed(
                "do must be list or retry, or show, hold, release, retry or cancel with a name"
            )


def errand(request: Request) -> Errand:
    does, name = request.headers["do"], request.headers.get("name", "")
    match does:
        case "list" if "plan" not in request.headers:
            return Errand(does)
        case "restore" | "purge" if name:
            return Errand(does, name)
        case _:
            raise frames.malformed("do must be list, or restore or purge with a name")


def intent(request: Request) -> Intent | None:
    """What the request wants to hold from now on; None where it wants something else."""
    lasting = request.headers.get("for", "")
    if lasting and not re.fullmatch(LASTING, lasting):
        raise frames.malformed("for must be a duration such as 2h or 1d")
    said = request.headers.get
    match request.verb:
        case "ROLLBACK":
            number = request.number("generation", 0) if said("generation") else None
            return Intent("ROLLBACK", said("plan", ""), number, lasting, said("reason", ""))
        case "SUSPEND":
            return Intent("SUSPEND", lasting=lasting, reason=said("reason", ""))
        case "RESUME":
            return Intent("RESUME")
        case "APPROVE":
            return Intent("APPROVE", said("plan", ""))
        case _:
            return None


def _numbers(request: Request, *names: str) -> tuple[int, ...]:
    """What the headers say: all of them or none."""
    said = [name for name in names if name in request.headers]
    if said and len(said) < len(names):
        raise frames.malformed(f"{' and '.join(names)} come together")
    return tuple(request.number(name, 0) for name in said)


def _lanes(request: Request) -> int:
    number = request.number("parallelism", 0)
    if number > MOST_LANES:
        raise frames.malformed(f"parallelism is {MOST_LANES} at most")
    return number


def _amendment(request: Request) -> Amendment | None:
    try:
        return from_text(request.headers["amend"]) if "amend" in request.headers else None
    except (ValueError, RecursionError) as cause:
        raise frames.malformed(f"amend: {cause}") from cause


def wish(request: Request) -> Wish:
    """The request's headers as a wish; raises `FrameError` for one that makes no sense."""
    views = _VIEWS.get(request.verb, ("text", "json"))
    view = request.headers.get("format", views[0])
    if view not in views:
        raise frames.malformed(f"format must be {' or '.join(views)}")
    return Wish(
        roots={
            name: request.headers[name] for name in sorted(frames.ROOTS) if name in request.headers
        },
        view=view,
        columns=request.number("columns", 80),
        color=request.flag("color"),
        allow_removals=request.number("allow-removals", 0),
        purge=request.flag("purge"),
        replace=request.headers.get("replace", ""),
        amendment=_amendment(request),
        every=request.flag("every"),
        brief=request.flag("brief"),
        advised=request.headers.get("advised") != "false",
        parallelism=_lanes(request),
        out=request.headers.get("out", ""),
    )
