"""What the manifest no longer declares stays as it is until somebody says that it may go."""

from __future__ import annotations

from dataclasses import replace

from desired.desired import Desired


def with_what_is_gone(desired: Desired, applied: Desired | None) -> Desired:
    """The desired state, with what was applied and is no longer declared declared as before."""
    if applied is None:
        return desired
    declared = {domain.name for domain in desired.domains}
    domains = tuple(domain for domain in applied.domains if domain.name not in declared)
    mailboxes = {
        address: mailbox
        for address, mailbox in applied.mailboxes.items()
        if address not in desired.mailboxes
    }
    if not domains and not mailboxes:
        return desired
    return replace(
        desired,
        domains=desired.domains + domains,
        mailboxes={**desired.mailboxes, **mailboxes},
    )
