"""Whether an engine may run on what an instance's directories are."""

from __future__ import annotations

from aimx.controller.instance import Instance
from aimx.controller.last_good import last_good
from desired.engine_config import header
from desired.problem import ManifestError
from reconcilers.consent import Consent
from reconcilers.host.host import UnseenError
from reconcilers.roots import Roots


def is_foreign(instance: Instance) -> bool:
    """No apply wrote what is in the place of the engine config, and no generation stands in for it.

    One that cannot be read, or is gone, may be on record; raises `UnseenError` as `last_good` does.
    """
    host, roots = instance.host, instance.roots
    try:
        raw = host.read(roots.engine_config)
    except UnseenError:
        raw = None
    return last_good(host, roots) is None if raw is None else header(raw) is None


def obstacle(instance: Instance) -> str:
    """Why no engine may run, and what to do about it; empty where one may.

    Once everything has its place, a marker that somebody removed is drift and no obstacle.
    """
    host, roots = instance.host, instance.roots
    if host.look(roots.marker) is None:
        return _unfinished(instance) if is_foreign(instance) else ""
    unadopted = host.look(roots.manifest) is None and host.look(roots.engine_config) is not None
    return _unfinished(instance) if unadopted and is_foreign(instance) else ""


def _unfinished(instance: Instance) -> str:
    return _refused(instance) or _to_do(instance.roots)


def _refused(instance: Instance) -> str:
    try:
        plan = instance.review(instance.in_force(), Consent()).plan
    except ManifestError:
        return ""
    return f"{plan.refused.reason}; {plan.refused.remedy}" if plan.refused else ""


def _to_do(roots: Roots) -> str:
    return (
        f"nothing of this release has been applied to {roots.data} yet; `aimx plan` shows what"
        " would be, and `aimx apply` does it"
    )
