"""What an engine runs on, on its way from whoever compiled it to whoever hands it on.

It travels in three parts. The large one, the snapshot, is handed on as it is: whoever does that
never reads a route of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from aimx.channel.messages import Vocabulary
from aimx.controller.compiled import Compiled
from aimx.hooks.command import Command
from aimx.snapshot import Snapshot
from desired.desired import Log, ServerUsers
from desired.frozen import field, fields, frozen
from desired.quantities import Endpoint
from desired.relay import SecretReference


@frozen
class Packed:
    """The parts of it; none is shown to a worker that it is not for."""

    outline: bytes  # What the supervisor itself has to know.
    snapshot: bytes = field(repr=False)
    secrets: bytes = field(repr=False)

    @property
    def parts(self) -> tuple[bytes, bytes, bytes]:
        return self.outline, self.snapshot, self.secrets


@frozen
class Outline:
    """All of it but the snapshot and the secrets."""

    commands: Mapping[str, Command]
    owned: Mapping[str, tuple[str, ...]]
    endpoints: tuple[Endpoint, ...]
    workers: int | None
    users: ServerUsers
    metrics: Endpoint | None
    log: Log
    troubles: tuple[str, ...]
    relay_password: SecretReference | None


_OUTLINE = Vocabulary(Outline)
_OUTLINED = tuple(fields(Outline))


def packed(compiled: Compiled) -> Packed:
    outline = Outline(**{name: getattr(compiled, name) for name in _OUTLINED})
    certificate = compiled.certificate
    # Latin-1 has a character for each octet: what stands around a PEM may be of any sort.
    secrets = {
        "keys": compiled.told_keys,
        "certificate": None if certificate is None else certificate.decode("latin-1"),
    }
    return Packed(_OUTLINE.encode(outline), compiled.told, json.dumps(secrets).encode())


def unpacked(packed: Packed) -> Compiled:
    """The same, but that its own view of the snapshot has no routes; `MalformedError` as any."""
    outline: Outline = _OUTLINE.decode(packed.outline)
    secrets = json.loads(packed.secrets)
    certificate = secrets["certificate"]
    return Compiled(
        snapshot=Snapshot.without_routes(packed.snapshot),
        told=packed.snapshot,
        keys={
            domain: {algorithm: pem.encode() for algorithm, pem in keys.items()}
            for domain, keys in secrets["keys"].items()
        },
        certificate=None if certificate is None else certificate.encode("latin-1"),
        **{name: getattr(outline, name) for name in _OUTLINED},
    )
