"""Asks the DNS on behalf of a command, as a user who may do nothing else.

What the DNS answers comes from the internet, so no process with uid 0 reads it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from contextlib import suppress

from aimx.processes.start import Arrival, run, settle_in
from aimx.verify.caching import CachingResolver
from aimx.verify.resolver import NoAnswer, Records, Value


def main() -> None:
    run("resolving", serve)


def serve(arrival: Arrival) -> None:
    """One line of the answer for each question, in their order: what there is, or null."""
    with os.fdopen(arrival.descriptors["request"], "rb") as request:
        asked = json.loads(request.read())
    settle_in(arrival)
    found = asyncio.run(_looked_up(asked["questions"], asked["resolvers"], asked["timeout"]))
    lines = (json.dumps(values).encode() + b"\n" for values in found)
    with suppress(BrokenPipeError), os.fdopen(arrival.descriptors["answer"], "wb") as answer:
        answer.writelines(lines)  # Who asked may have left.


async def _looked_up(
    questions: Sequence[tuple[str, str]], resolvers: Sequence[str], timeout: float
) -> list[list[str] | None]:
    resolver = CachingResolver(resolvers, timeout)
    answers = await asyncio.gather(*(resolver.lookup(name, kind) for name, kind in questions))
    await resolver.close()
    return [
        None
        if isinstance(answer, NoAnswer)
        else [_text(value) for value in (answer.values if isinstance(answer, Records) else ())]
        for answer in answers
    ]


def _text(value: Value) -> str:
    match value:
        case bytes():
            return value.decode("utf-8", "replace")
        case str():
            return value
        case preference, host:
            return f"{preference} {host}"


if __name__ == "__main__":
    main()
