"""The private keys that sign mail: what planning knows of them, by algorithm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import PurePosixPath

from desired.desired import Algorithm
from desired.frozen import frozen
from reconcilers import ed25519, rsa


@frozen
class KeyForm:
    """How the keys of one algorithm are written, read and made."""

    public_pem: Callable[[bytes], bytes]  # Of a private key; raises `UnusableKeyError`.
    stand_in: Callable[[], bytes]  # What a prediction has in a new key's place.
    prefix: str = ""  # Of the files' names, so that two keys have a place in one directory.


FORMS: Mapping[Algorithm, KeyForm] = {
    "rsa-sha256": KeyForm(
        public_pem=lambda private: rsa.public_half(private).pem,
        stand_in=rsa.stand_in,
    ),
    "ed25519-sha256": KeyForm(
        public_pem=ed25519.public_pem,
        stand_in=ed25519.stand_in,
        prefix="ed25519-",
    ),
}


# By the private half's digest: of a hundred keys an apply asks three times, and a daemon at each
# look, and to derive one takes as long as to look at a dozen mailboxes.
_DERIVED: dict[tuple[bytes, Algorithm], bytes] = {}
_MOST_DERIVED = 1 << 12


def public_pem(private: bytes, algorithm: Algorithm) -> bytes:
    """The public half in PEM; raises `UnusableKeyError`."""
    asked = sha256(private).digest(), algorithm
    found = _DERIVED.get(asked)
    if found is None:
        found = FORMS[algorithm].public_pem(private)
        if len(_DERIVED) >= _MOST_DERIVED:
            _DERIVED.clear()
        _DERIVED[asked] = found
    return found


def known_by(public: bytes) -> str:
    """What tells one key from another, of its public half."""
    return sha256(public).hexdigest()[:32]


@frozen
class KeyFiles:
    """Where a key stands."""

    home: PurePosixPath
    private_name: str
    public_name: str

    @property
    def private(self) -> PurePosixPath:
        return self.home / self.private_name

    @property
    def public(self) -> PurePosixPath:
        return self.home / self.public_name

    @property
    def names(self) -> tuple[str, str]:
        return self.private_name, self.public_name

    @classmethod
    def labelled(cls, home: PurePosixPath, selector: str) -> KeyFiles:
        """Named after the selector. The key of a selector is this one, where it is there."""
        return cls(home, f"{selector}.private.key", f"{selector}.public.key")

    @classmethod
    def plain(cls, home: PurePosixPath, algorithm: Algorithm) -> KeyFiles:
        """Named after nothing but its algorithm, and of whichever selector has no other."""
        prefix = FORMS[algorithm].prefix
        return cls(home, f"{prefix}private.key", f"{prefix}public.key")
