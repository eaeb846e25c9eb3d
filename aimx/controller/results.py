"""What became of each resource at its last apply, and when one that failed is tried again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from aimx.controller.account import Account, Applied
from aimx.controller.backoff import LONGEST, backoff
from aimx.mail.dates import rfc3339
from desired.frozen import field, frozen, replace
from reconcilers.host.host import Reading, ReconcileError
from reconcilers.receipt import Outcome, Receipt
from reconcilers.records import parsed
from reconcilers.report.explanation import Failure
from reconcilers.roots import Roots

# How many are remembered; those that failed always are.
_MOST = 1000
# What others do not stand on. A key or a directory of a domain holds up the engine config, which
# must not name what is not there, and so there is nothing to go on with.
_ALONE = frozenset({"mailbox", "readme"})
# Of a resource's steps the worst tells.
_WORSE = (Outcome.DONE, Outcome.NOT_STARTED, Outcome.SKIPPED, Outcome.FAILED)


@frozen
class Result:
    """What became of one resource."""

    outcome: Outcome
    at: datetime
    reason: str = ""
    failures: int = 0  # In a row.
    retry: datetime | None = None

    def document(self) -> dict[str, Any]:
        return {
            "outcome": str(self.outcome),
            "reason": self.reason,
            "at": rfc3339(self.at),
            "failures": self.failures,
            "next_retry": None if self.retry is None else rfc3339(self.retry),
        }


@frozen
class Results:
    """The last of each resource that an apply touched; a new apply gives new ones."""

    by_address: Mapping[str, Result] = field(default_factory=dict)

    def told(
        self, receipts: Iterable[Receipt], now: datetime, wait: Callable[[int], float] = backoff
    ) -> Results:
        """With what became of these."""
        worst = _worst(receipts)
        new = {address: self._after(each, now, wait) for address, each in worst.items()}
        return Results(_bounded({**self.by_address, **new}))

    def _after(self, receipt: Receipt, now: datetime, wait: Callable[[int], float]) -> Result:
        if receipt.outcome is not Outcome.FAILED:
            return Result(receipt.outcome, now, receipt.reason)
        known = self.by_address.get(receipt.address)
        failures = 1 + (known.failures if known else 0)
        retry = now + timedelta(seconds=wait(failures))
        return Result(receipt.outcome, now, receipt.reason, failures, retry)

    def impatient(self) -> Results:
        """Nothing waits any more: the manifest is another, or somebody wants it tried now."""
        return Results(
            {
                address: replace(each, failures=0, retry=None)
                for address, each in self.by_address.items()
            }
        )

    def held(self, now: datetime) -> dict[str, str]:
        """What waits for its next try, and lets the others go on meanwhile; and why it failed."""
        return {
            address: each.reason
            for address, each in self.by_address.items()
            if each.retry is not None and _waits(each.retry, now) and is_alone(address)
        }

    def next(self, now: datetime) -> float | None:
        """Seconds until something is to be tried again; None where nothing is."""
        retries = [each.retry for each in self.by_address.values() if each.retry is not None]
        waits = [(retry - now).total_seconds() for retry in retries]
        return min((min(max(wait, 0.0), LONGEST) for wait in waits), default=None)

    def documents(self) -> dict[str, Any]:
        return {address: each.document() for address, each in sorted(self.by_address.items())}


def failure(host: Reading, roots: Roots, address: str) -> Failure | None:
    """How the last try of a resource failed, by the status that the daemon writes; None where it
    did not, or where nobody can tell."""
    try:
        said = parsed(host.read(roots.status) or b"{}")["results"][address]
        if said["outcome"] != Outcome.FAILED:
            return None
        return Failure(str(said["at"]), str(said["reason"]), str(said["next_retry"] or ""))
    except (ReconcileError, ValueError, KeyError, TypeError):
        return None


def account(applied: Applied) -> Account:
    """What is remembered of it."""
    worst = list(_worst(applied.receipts).values())
    done = [each for each in worst if each.outcome is Outcome.DONE]
    kept = {each.address for each in done[-_MOST:]}
    return Account(
        digest=applied.review.reading.desired.digest,
        summary=applied.summary,
        results=tuple(
            each for each in worst if each.outcome is not Outcome.DONE or each.address in kept
        ),
        trouble=applied.trouble,
    )


def _worst(receipts: Iterable[Receipt]) -> dict[str, Receipt]:
    """The one of each resource that tells how it went, by its address."""
    worst: dict[str, Receipt] = {}
    for receipt in receipts:
        known = worst.get(receipt.address)
        if known is None or _WORSE.index(known.outcome) < _WORSE.index(receipt.outcome):
            worst[receipt.address] = receipt
    return worst


def is_alone(address: str) -> bool:
    """Whether the others can go on without it."""
    return address.partition("/")[0] in _ALONE


def _waits(retry: datetime, now: datetime) -> bool:
    """A clock that was set back must not make anybody wait for ever."""
    return timedelta(0) < retry - now <= timedelta(seconds=LONGEST)


def _bounded(by_address: Mapping[str, Result]) -> Mapping[str, Result]:
    if len(by_address) <= _MOST:
        return by_address
    latest = sorted(by_address, key=lambda address: by_address[address].at, reverse=True)[:_MOST]
    kept = {*latest, *(address for address, each in by_address.items() if each.failures)}
    return {address: each for address, each in by_address.items() if address in kept}
