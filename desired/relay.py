"""A host that takes all mail, and where its password is: never in the manifest itself."""

from __future__ import annotations

import re
from enum import StrEnum
from urllib.parse import quote, unquote

from desired.frozen import frozen
from desired.names import InvalidNameError
from desired.quantities import Endpoint

# Compiled where they are used: hardly any manifest names a relay.
_RELAY = r"(?:(smtps?)://)?(?:([^/]+)@)?([^/@]+)"
_HAS_PORT = r"\]:[0-9]+|[^:\]]+:[0-9]+"
_SUBMISSION, _SUBMISSIONS, _SMTP = 587, 465, 25
_PLAIN_USER = "!$&'()*+,;=@"


@frozen
class Relay:
    """Who takes all mail. TLS is a must, from the first byte or by STARTTLS, where a user is."""

    endpoint: Endpoint
    user: str = ""  # Empty: nobody is asked who we are.
    implicit_tls: bool = False  # RFC 8314 3: TLS from the first byte.

    @classmethod
    def parse(cls, text: str) -> Relay:
        """Read `smtps://user@host:465`, `smtp://user@host:587` or `host:25`."""
        found = re.fullmatch(_RELAY, text)
        if not found or not found[3].isprintable() or (found[2] and not found[2].isprintable()):
            raise InvalidNameError(
                f"{text!r} is not a relay: write 'smtps://user@host:465' or 'host:25'"
            )
        scheme, user, host = found[1] or "smtp", unquote(found[2] or ""), found[3]
        if ":" in user:
            raise InvalidNameError(
                "a relay holds no password: name where it is in relay_password, as"
                " 'file:/etc/aimx/relay.password'"
            )
        usual = _SUBMISSIONS if scheme == "smtps" else _SUBMISSION if user else _SMTP
        whole = host if re.search(_HAS_PORT, host) else f"{host}:{usual}"
        return cls(Endpoint.parse(whole), user, scheme == "smtps")

    def __str__(self) -> str:
        user = f"{quote(self.user, safe=_PLAIN_USER)}@" if self.user else ""
        return f"smtp{'s' * self.implicit_tls}://{user}{self.endpoint}"


class Place(StrEnum):
    """Where a secret may be."""

    FILE = "file"
    VARIABLE = "env"


_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"


@frozen
class SecretReference:
    """Where a secret is, so that no manifest, plan or record holds it."""

    place: Place
    name: str  # An absolute path, or a variable of the environment of `aimx serve`.

    @classmethod
    def parse(cls, text: str) -> SecretReference:
        place, _, name = text.partition(":")
        if place == Place.FILE and name.startswith("/") and "\0" not in name:
            return cls(Place.FILE, name)
        if place == Place.VARIABLE and re.fullmatch(_VARIABLE, name):
            return cls(Place.VARIABLE, name)
        # Without the text itself: it may well be the secret.
        raise InvalidNameError(
            "a secret stands elsewhere: write 'file:/etc/aimx/relay.password' or 'env:NAME'"
        )

    def __str__(self) -> str:
        return f"{self.place}:{self.name}"
