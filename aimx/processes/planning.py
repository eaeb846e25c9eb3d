"""What the supervisor and its planner say to each other.

A job, and what comes of it, is a message too; it travels in a sealed descriptor, since it may be
large. Neither a manifest nor a plan ever does.
"""

from __future__ import annotations

from aimx.channel.control import Commit, Drop, Leave, Prepare, Ready
from aimx.channel.messages import Vocabulary
from aimx.controller.amendments import Amendment
from aimx.controller.retention import Purge, Purged
from aimx.controller.turn import Turn, Turned
from aimx.controller.watched import Begun
from aimx.doors.wished import Answered, Wished
from desired.frozen import frozen
from reconcilers.receipt import Receipt

# Octets of a job, or of what came of it; of what an engine runs on, each part.
MOST_JOB = 512 * 1024 * 1024
MOST_PART = 512 * 1024 * 1024


@frozen
class Do:
    """With the sealed job: do it, beside whatever else is done."""

    number: int
    parallelism: int
    followed: bool  # Somebody wants to hear of each step, and not only that there is one.


@frozen
class Current:
    """With the parts of it: what the engine runs on, unless it is told otherwise."""


@frozen
class Engaged:
    """The engine has done what it was asked; or why it cannot."""

    refusal: str = ""


@frozen
class Ended:
    """What became of a step, which of how many it is."""

    receipt: Receipt
    number: int
    steps: int


@frozen
class Progress:
    """Of a job: what has happened since the last time."""

    number: int
    told: tuple[Begun | Ended, ...]


@frozen
class Done:
    """With what came of it, sealed."""

    number: int


@frozen
class Undone:
    """Nothing came of a job, since something went wrong that it does not foresee."""

    number: int
    reason: str


# A wish imports what amends a manifest only where it is asked for.
JOBS = Vocabulary(Turn, Purge, Wished, names={"Amendment": Amendment})
OUTCOMES = Vocabulary(Turned, Purged, Answered)
# `Leave`: no step is begun any more, of no job.
TO_PLANNER = Vocabulary(Do, Current, Engaged, Leave)
# `Prepare`, with the parts of a generation, `Commit` and `Drop`: each waits for `Engaged`.
FROM_PLANNER = Vocabulary(Ready, Progress, Prepare, Commit, Drop, Done, Undone)
