"""What somebody has an instance hold to: a generation, or still; and that they let go of it."""

from __future__ import annotations

from aimx.controller.instance import Instance
from aimx.controller.pinned import Back, pinned
from desired.problem import ManifestError, digest
from reconcilers.generations import Who
from reconcilers.intents import Intents, Pin, Suspension, end, keep_suspension


def way_back(instance: Instance, back: Back) -> Pin:
    """The pin that would go back to a generation, nothing written; raises `PinError`."""
    try:
        manifest = digest(instance.sources())
    except ManifestError:
        manifest = ""  # One that is broken is what somebody may go back from.
    return pinned(back, instance.host, instance.roots, instance.read, manifest)


def suspend(instance: Instance, suspension: Suspension) -> None:
    """The controller applies nothing by itself until then; raises `MachineError`."""
    with instance.ours():
        keep_suspension(instance.host, instance.roots, suspension)


def resume(instance: Instance, who: Who) -> Intents:
    """Nothing is pinned or suspended any more; gives what was. Raises as `apply` does."""
    instance.require_there()  # With its disk away nobody can tell what is held.
    held = instance.intents()
    if held.pin is None:
        with instance.ours():
            end(instance.host, instance.roots.suspension)
    else:
        with instance.locked(who):  # An apply under way goes by the pin.
            end(instance.host, instance.roots.pin, instance.roots.suspension)
    return held
