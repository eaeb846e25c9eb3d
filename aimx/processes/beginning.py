"""What an engine starts on: the manifest, carried out where it may be, else the last good."""

from __future__ import annotations

import structlog

from aimx.controller import foundation
from aimx.controller.alone import Alone
from aimx.controller.compiled import Compiled, compiled
from aimx.controller.instance import Instance
from aimx.controller.last_good import last_good
from aimx.controller.results import account
from aimx.controller.state import State
from aimx.controller.watched import Watched
from aimx.doors.exits import Exit
from aimx.processes.opening import UnservableError
from aimx.smtp.certificate import CertificateError, context
from desired.desired import Desired
from desired.problem import ManifestError
from reconcilers.consent import Consent
from reconcilers.generations import Who
from reconcilers.host.host import ReconcileError

log = structlog.get_logger()


def begun(instance: Instance, desired: Desired | None, state: State, watched: Watched) -> Compiled:
    """Apply what may be applied unasked, and give what is to be run on.

    Raises `UnservableError`, or `ReconcileError`.
    """
    suspended = instance.intents().suspension is not None
    obstacle = None
    if desired is not None and not suspended and instance.automatic(desired) != "none":
        obstacle = _first_apply(instance, desired, state, watched)
    if reason := foundation.obstacle(instance):
        raise UnservableError(Exit.REFUSED, reason)
    return _usable(_config(instance, obstacle), instance)


def _usable(config: bytes, instance: Instance) -> Compiled:
    """Mail goes on without TLS where the certificate is damaged: who offers none is served too."""
    try:
        first = compiled(config, instance.host, instance.roots)
        if first.certificate is not None:
            context(first.certificate)
    except (CertificateError, ReconcileError) as cause:
        first = compiled(config, instance.host, instance.roots, without_tls=str(cause))
    for trouble in first.troubles:
        log.error("a key or certificate is damaged", reason=trouble)
    return first


def _first_apply(
    instance: Instance, desired: Desired, state: State, watched: Watched
) -> ReconcileError | None:
    """Before anybody is served: nobody runs yet who would have to prepare or swap.

    Gives what kept it from beginning. That is no reason not to serve what was applied before.
    """
    user = instance.host.user()
    consent = Consent(withheld=instance.automatic(desired) == "safe")
    alone = Alone(instance.host, instance.roots)
    who = Who(user.uid, user.name, "aimx serve")
    try:
        if instance.review(instance.in_force(), consent).plan.refused:
            return None  # Not even the lock is taken in a directory that the plan refuses.
        applied = instance.apply(None, alone, who, consent, watched)
    except ManifestError:
        return None  # It changed since it was read; the controller looks again at once.
    except ReconcileError as cause:
        log.error("nothing could be applied", reason=str(cause))
        return cause
    state.applied(account(applied))
    for receipt in applied.receipts:
        if receipt.reason:
            log.error("step not done", step=receipt.step, reason=receipt.reason)
    return None


def _config(instance: Instance, obstacle: ReconcileError | None) -> bytes:
    """What to start from: the last good generation, whatever kept the newest from being applied."""
    good = last_good(instance.host, instance.roots)
    if good is None and obstacle is not None:
        raise obstacle
    if good is None:
        raise UnservableError(Exit.REFUSED, "nothing has been applied yet; run `aimx apply` first")
    if good.trouble:
        log.error("engine config is damaged, its record is used", reason=good.trouble)
    return good.config
