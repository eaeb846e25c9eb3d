"""The numbers that the documents tell are those of the code."""

import re
from pathlib import Path

import pytest

from aimx.doors.socket import frames, server
from aimx.doors.wish import MOST_LANES
from aimx.hooks import dispatch, facts, run, stream
from aimx.outbound import hosts, keys, sessions
from aimx.outbound.queue.lanes import Lanes
from aimx.placing.firings import MOST_WAITING
from aimx.processes import activation
from desired.desired import Limits

DOCUMENTS = Path(__file__).parents[2] / "docs"
LANES, LIMITS = Lanes(), Limits()
WORDS = {4: "four", 5: "five", 10: "ten"}


def word(number: float) -> str:
    return WORDS.get(int(number), f"{number:,.0f}")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("hooks", f"where {MOST_WAITING:,} firings of that owner wait already"),
        ("hooks", f"At most {dispatch.MOST_RUNNING} hooks run at a time"),
        ("hooks", f"and {dispatch.MOST_OF_AN_OWNER} of one owner; the others wait"),
        ("hooks", f"Where {dispatch.SHARED} run, the other places"),
        ("hooks", f"and at most {facts.MOST:,} octets"),
        ("hooks", f"get SIGTERM, and {run.GRACE_SECONDS:.0f} seconds later SIGKILL"),
        ("hooks", f"the last {stream.MOST // 1024} KiB of each"),
        ("socket", f"A line has at most {frames.MAX_LINE:,} bytes"),
        ("socket", f"a head at most {frames.MAX_HEADERS} header lines"),
        ("socket", f"a body {frames.MAX_BODY >> 20} MiB"),
        ("socket", f"and a request {server.REQUEST_SECONDS:.0f} seconds"),
        ("socket", f"There may be {server.MAX_CONNECTIONS} connections"),
        ("socket", f"connections, {server.MAX_CONNECTIONS_PER_UID} of one uid"),
        ("socket", f"any text of at most {keys.LONGEST_KEY} characters"),
        ("socket", f"never sends twice, for {keys.KEPT.days} days"),
        ("socket", f"independent steps at a time, at most {MOST_LANES};"),
        ("outbound", f"At most {LANES.most} attempts are under way"),
        ("outbound", f"{LANES.most_to_one} to one destination"),
        ("outbound", f"take {LANES.most_broken} of the {LANES.most} places at most"),
        ("outbound", f"sends_per_day = {LIMITS.sends_per_day} "),
        ("outbound", f"new_recipients_per_day = {LIMITS.new_recipients_per_day} "),
        ("outbound", f"At most {word(sessions.MOST_AT_ONCE)} messages at a time"),
        ("outbound", f"for {word(sessions.LONGEST_WAIT_SECONDS)} seconds at most"),
        ("outbound", f"is kept for {word(sessions.IDLE_SECONDS)} seconds"),
        ("outbound", f"after {sessions.MOST_MESSAGES} messages or"),
        ("outbound", f"or {word(sessions.OLDEST_SECONDS / 60)} minutes it ends"),
        ("outbound", f"and {word(hosts.PATIENCE)} times that for all"),
        ("architecture", f"{word(activation.PREPARE_SECONDS)} seconds of silence"),
        ("architecture", f"within {word(activation.COMMIT_SECONDS)} seconds is killed"),
    ],
)
def test_a_limit_is_told_as_it_is(document: str, said: str) -> None:
    text = (DOCUMENTS / f"{document}.md").read_text()

    assert said in re.sub(r"\s+", " ", text)
