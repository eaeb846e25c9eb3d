"""The system users that unprivileged processes run as: looked for, told of, and never made here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from desired.frozen import frozen
from reconcilers.change import Lacking
from reconcilers.difference import Difference, Missing
from reconcilers.host.host import Account
from reconcilers.reconciler import Keys, World
from reconcilers.step import Operation, Phase


@frozen
class ServiceUser:
    """A user whom the manifest names, or the built-in name of one."""

    name: str


class AccountReconciler:
    """Users are the machine's and not the manifest's: a missing one keeps nothing from going on.

    Rootless there is none that is needed. What exists without being named is somebody else's.
    """

    kind: str = "account"
    activates: bool = False

    def desired(self, world: World) -> Mapping[str, ServiceUser]:
        if world.host.user().uid != 0:
            return {}
        users = world.desired.users
        return {name: ServiceUser(name) for name in (users.inbound, users.outbound)}

    def observe(self, world: World) -> Mapping[str, ServiceUser]:
        wanted = self.desired(world)
        return {name: user for name, user in wanted.items() if world.host.account(name)}

    def change(self, difference: Difference[ServiceUser], world: World) -> Lacking | None:
        if not isinstance(difference, Missing):
            return None
        name, instead = difference.name, service_account(world, difference.name).name
        return Lacking(
            f"{self.kind}/{name}",
            f"there is no such user; the user {instead} stands in",
            f"make it with `useradd --system --no-create-home --shell /usr/sbin/nologin {name}`;"
            " a daemon takes it within seconds",
            "layout",
        )

    def asked_by(self, name: str, world: World) -> Keys:
        return ()

    def steps(
        self, difference: Difference[ServiceUser], world: World
    ) -> Iterable[tuple[Phase, Operation]]:
        return ()


def service_account(world: World, name: str) -> Account:
    """Whom an unprivileged process runs as.

    Rootless it is our own user; where the user is still to be made, `nobody` stands in.
    """
    user = world.host.user()
    if user.uid != 0:
        return user
    return world.host.account(name) or world.host.account("nobody") or user
