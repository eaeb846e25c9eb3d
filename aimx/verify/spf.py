"""SPF: whether a client may send for the domain that it names (RFC 7208).

pyspf evaluates, and knows only look-ups that block. So it is run again and again over the answers
so far: where one is missing it breaks off, the answer is fetched, and it starts anew.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeAlias, cast, get_args

import spf  # type: ignore[import-untyped]
import structlog

from aimx.mail.envelope import Envelope
from aimx.verify.domain import canonical
from aimx.verify.expiring import Expiring
from aimx.verify.query import Query
from aimx.verify.resolver import Answer, NoAnswer, Records, Resolver
from aimx.verify.verdict import Spf, SpfVerdict
from desired.frozen import frozen

log = structlog.get_logger()

Question: TypeAlias = tuple[str, str]  # Name and record.

KEPT = 10_000  # Verdicts in memory.
LONGEST = 20.0  # Seconds for all look-ups of one check: RFC 7208 4.6.4.
# RFC 7208 4.6.4: ten terms that look up, and for each `mx` or `ptr` ten addresses.
MOST_LOOKUPS = 121
MOST_HOSTS = 10  # Of one `mx` or `ptr`: RFC 7208 4.6.4.
# What pyspf is given to read, in octets: all records of one check, and one term of a record, since
# its expressions take time quadratic in that. RFC 7208 3.4 would have a record below 500.
MOST_TEXT = 16 * 1024
LONGEST_TERM = 512
LONGEST_PROBLEM = 200  # Characters of a record's fault that we repeat.

# RFC 7208 7.2: macros that make the verdict depend on the sender's local part.
_LOCAL_PART = re.compile(rb"%\{[ls]", re.IGNORECASE)

_REASONS: Mapping[str, str] = {
    "none": "{domain} has no SPF record",
    "neutral": "{domain} says neither yes nor no to {client}",
    "pass": "{domain} lets {client} send for it",
    "fail": "{domain} does not let {client} send for it",
    "softfail": "{domain} would rather not let {client} send for it",
}


@frozen
class Check:
    """What SPF is asked: may this client send for this sender?"""

    client: str
    local: str
    domain: str
    helo: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.client, self.domain, self.helo


class SenderPolicy:
    """Checks senders, and remembers verdicts for as long as all the records that made them last."""

    def __init__(self, resolver: Resolver, clock: Callable[[], float] = time.monotonic) -> None:
        self._resolver = resolver
        self._clock = clock
        self._kept: Expiring[tuple[str, str, str], Spf] = Expiring(KEPT, clock)

    def begin(self, envelope: Envelope) -> Spf | Check:
        """The verdict if it is known; else what to `find`, and its first answer is on its way."""
        check = _check(envelope)
        if isinstance(check, Spf):
            return check
        if found := self._kept.get(check.key):
            return found[0]
        # RFC 7208 4.4: whatever the record says, this is what is asked first.
        self._resolver.foresee(check.domain, "TXT")
        return check

    async def find(self, check: Check) -> Spf:
        answers: dict[Question, Answer] = {}
        verdict = await self._evaluate(check, answers)
        if verdict.verdict != "temperror":
            self._kept.put(check.key, verdict, _lifetime(answers))
        return verdict

    async def _evaluate(self, check: Check, answers: dict[Question, Answer]) -> Spf:
        until = self._clock() + LONGEST
        await self._look_up([(check.domain, "TXT")], answers)
        while len(answers) < MOST_LOOKUPS:
            if self._clock() > until:
                return Spf("temperror", f"the look-ups took more than {LONGEST:g} s", check.domain)
            outcome = evaluate(check, answers)
            if isinstance(outcome, Spf):
                return outcome
            await self._look_up([outcome], answers)
            await self._look_up(_hosts(outcome, answers[outcome], check), answers)
        return Spf("permerror", f"more than {MOST_LOOKUPS} look-ups", check.domain)

    async def _look_up(self, questions: list[Question], answers: dict[Question, Answer]) -> None:
        missing = [question for question in questions if question not in answers]
        for question in missing:
            self._resolver.foresee(*question)
        for question in missing:
            answers[question] = await self._resolver.lookup(*question)


def _check(envelope: Envelope) -> Check | Spf:
    """RFC 7208 2.4: the null sender is postmaster at the HELO name. 4.3: no name is "none"."""
    helo = envelope.client.helo
    local, _, domain = (envelope.sender or f"postmaster@{helo}").rpartition("@")
    name = canonical(domain)
    if name is None:
        return Spf("none", "the sender's domain is no domain name", domain.lower())
    return Check(envelope.client.address, local or "postmaster", name, canonical(helo) or helo)


def _hosts(question: Question, answer: Answer, check: Check) -> list[Question]:
    """What pyspf will ask for next, all at once: the addresses of an MX's or a PTR's hosts."""
    if not isinstance(answer, Records) or question[1] not in ("MX", "PTR"):
        return []
    hosts = answer.names or [host for _, host in sorted(answer.exchanges)]
    record = "AAAA" if ":" in check.client else "A"
    return [(host, record) for host in hosts[:MOST_HOSTS]]


def evaluate(check: Check, answers: Mapping[Question, Answer]) -> Spf | Question:
    """The verdict, or the question whose answer is still missing."""
    query = Query(i=check.client, s=f"postmaster@{check.domain}", h=check.helo)
    query.l, query.s = check.local, f"{check.local}@{check.domain}"

    def lookup(name: str, record: str, *_: object) -> list[tuple[Question, Any]]:
        question = name, record
        if question not in answers:
            raise _MissingError(question)
        _refuse_long(answers)
        return [(question, value) for value in _values(question, answers[question])]

    # pyspf has no other way in. Nothing else runs until it returns, so nobody shares it.
    spf.DNSLookup = lookup
    try:
        word, _, _ = query.check()
    except _MissingError as missing:
        return missing.question
    except Exception:  # A stranger wrote the records.
        log.exception("spf not evaluated", domain=check.domain)
        return Spf("permerror", f"the SPF record of {check.domain} cannot be used", check.domain)
    finally:
        spf.DNSLookup = _nobody_asks
    return _verdict(check, word, str(getattr(query, "prob", "")))


class _MissingError(Exception):
    """Breaks pyspf off at the first look-up that has no answer yet.

    pyspf swallows it at `exp=`: the explanation, a stranger's text, is never looked up.
    """

    def __init__(self, question: Question) -> None:
        self.question = question
        super().__init__(question)


def _nobody_asks(*_: object) -> NoReturn:
    raise RuntimeError("pyspf looks up only within evaluate()")


def _refuse_long(answers: Mapping[Question, Answer]) -> None:
    records = [text for text in _texts(answers) if text.lower().startswith(b"v=spf1")]
    if sum(map(len, records)) > MOST_TEXT:
        raise spf.PermError(f"its records have more than {MOST_TEXT} octets")
    if any(len(term) > LONGEST_TERM for record in records for term in record.split(b" ")):
        raise spf.PermError(f"a term has more than {LONGEST_TERM} octets")


def _texts(answers: Mapping[Question, Answer]) -> list[bytes]:
    return [
        text for found in answers.values() if isinstance(found, Records) for text in found.texts
    ]


def _values(question: Question, answer: Answer) -> list[Any]:
    """As pyspf wants them: a TXT is a sequence of strings."""
    match answer:
        case Records() if question[1] == "TXT":
            return [(text,) for text in answer.texts]
        case Records():
            return list(answer.values)
        case NoAnswer() if question[1] == "PTR":
            return []  # RFC 7208 5.5: then `ptr` does not match.
        case NoAnswer(reason):
            raise spf.TempError(reason)
        case _:
            return []


def _verdict(check: Check, word: str, problem: str) -> Spf:
    if word in _REASONS:
        reason = _REASONS[word].format(domain=check.domain, client=check.client)
    elif word == "temperror":
        reason = f"the SPF records of {check.domain} could not all be looked up"
    else:
        shown = "".join(c for c in problem if c.isprintable())[:LONGEST_PROBLEM]
        reason = f"the SPF record of {check.domain} cannot be used: {shown}"
    known = cast(SpfVerdict, word) if word in get_args(SpfVerdict) else "permerror"
    return Spf(known, reason, check.domain)


def _lifetime(answers: Mapping[Question, Answer]) -> int:
    """Seconds until the first record may change; 0 if the verdict is not the next sender's."""
    if any(map(_LOCAL_PART.search, _texts(answers))):
        return 0
    return min((0 if isinstance(a, NoAnswer) else a.ttl for a in answers.values()), default=0)
