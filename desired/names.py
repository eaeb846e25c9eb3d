"""Names as people write them, read once into values that need no second check.

Every `parse` raises `InvalidNameError` with one sentence that says what is expected.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import ClassVar, Self

from desired.frozen import ordered

WILDCARD = "*"
CATCHALL_FOLDER = "catchall"
# They would share their folder, or be taken for it, with the wildcard's mailbox.
RESERVED_LOCAL_PARTS = frozenset({CATCHALL_FOLDER, "aimx-catchall"})

_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+")
# RFC 5322 3.2.3's dot-atom in lower case, without the slash that a file name cannot hold.
_ATOM = r"[a-z0-9!#$%&'*+=?^_`{|}~-]+"
_LOCAL_PART = re.compile(rf"(?=.{{1,64}}\Z){_ATOM}(?:\.{_ATOM})*")
_STRANGE_TO_COMMANDS = r"[^a-z0-9._-]"


class InvalidNameError(ValueError):
    """A text that is not the name or quantity that it stands for. Says what is expected."""

    def __init__(self, text: str, hint: str = "") -> None:
        """`hint`: what to write, where the text does not say it."""
        super().__init__(text)
        self.hint = hint


@ordered
class Domain:
    """A domain name in lower-case A-label form, so that equal names compare equal."""

    ascii: str

    @classmethod
    def parse(cls, text: str) -> Domain:
        """Read a domain in any case, with U-labels or A-labels, with or without the final dot."""
        return _domain(text)

    def __str__(self) -> str:
        return self.ascii


@lru_cache(maxsize=4096)
def _domain(text: str) -> Domain:
    lower = text.strip().lower().removesuffix(".")
    ascii_form = lower if lower.isascii() else _a_labels(lower)
    if not _DOMAIN.fullmatch(ascii_form):
        raise InvalidNameError(
            f"domain {text!r} is not a valid RFC 1035 hostname (lowercased to {lower!r})",
            "write two labels or more of letters, digits and inner hyphens, as in mail.example.com",
        )
    return Domain(ascii_form)


def _a_labels(text: str) -> str:
    """RFC 5891's A-labels, after the mapping of UTS 46; empty where there are none."""
    import idna  # Its tables cost every process that never sees a U-label.

    # Nothing this long is a domain name, and the mapping takes its time for each character.
    if len(text) > 253:
        return ""
    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        return ""


def _in_lower_case(text: str) -> str:
    """What to write where only the case is wrong."""
    lower = text.lower()
    return f"write {lower!r}: case makes no difference" if _LOCAL_PART.fullmatch(lower) else ""


@ordered
class LocalPart:
    """What stands before the `@` of a mailbox's address; `*` is the catchall's."""

    text: str

    @classmethod
    def parse(cls, text: str) -> LocalPart:
        """Read a local part that a manifest declares."""
        if not _LOCAL_PART.fullmatch(text):
            raise InvalidNameError(
                f"local part {text!r} is not a lower-case dot-atom of at most 64 characters"
                " (letters, digits, dots and !#$%&'*+=?^_`{|}~-)",
                _in_lower_case(text),
            )
        if text in RESERVED_LOCAL_PARTS:
            raise InvalidNameError(f"local part {text!r} is reserved for the wildcard; write '*'")
        return cls(text)

    @classmethod
    def commanded(cls, text: str) -> LocalPart:
        """Read a local part that a command creates, by the stricter rule."""
        if text in RESERVED_LOCAL_PARTS:
            raise InvalidNameError(
                f"Mailbox name '{text}' is reserved for the wildcard catchall slot"
            )
        strange = re.search(_STRANGE_TO_COMMANDS, text)
        if strange:
            told = f"Mailbox name contains invalid character {strange[0]!r}; allowed: [a-z0-9._-]"
            raise InvalidNameError(told)
        return cls.parse(text)

    def __str__(self) -> str:
        return self.text


@ordered
class Address:
    """A mailbox's address, equal to every other way of writing it."""

    local: LocalPart
    domain: Domain

    @classmethod
    def parse(cls, text: str) -> Address:
        local, at, domain = text.rpartition("@")
        if not at or not local or not domain:
            raise InvalidNameError(f"{text!r} is not a full <local>@<domain> address")
        return cls(LocalPart.parse(local), Domain.parse(domain))

    @property
    def is_catchall(self) -> bool:
        return self.local.text == WILDCARD

    @property
    def folder(self) -> str:
        """The name of the mailbox's directory below its domain's."""
        return CATCHALL_FOLDER if self.is_catchall else self.local.text

    def __str__(self) -> str:
        return f"{self.local.text}@{self.domain.ascii}"


@ordered
class _Word:
    """A name that one pattern describes whole."""

    text: str

    _pattern: ClassVar[str]  # Compiled where there is something to read.
    _kind: ClassVar[str]

    @classmethod
    def parse(cls, text: str) -> Self:
        if not re.fullmatch(cls._pattern, text):
            raise InvalidNameError(f"{cls._kind} {text!r} must match {cls._pattern}")
        return cls(text)

    @classmethod
    def pattern(cls) -> str:
        """The expression that describes the name whole, for a JSON Schema."""
        return f"^(?:{cls._pattern})$"

    def __str__(self) -> str:
        return self.text


class Selector(_Word):
    """RFC 6376 3.1: which of a domain's keys signed."""

    __slots__ = ()
    _pattern = r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*"
    _kind = "selector"


class Owner(_Word):
    """A Linux user's name."""

    __slots__ = ()
    _pattern = r"[a-z_](?:[a-z0-9_-]{0,31}|[a-z0-9_-]{0,30}\$)"
    _kind = "owner"


class Slug(_Word):
    """What an identity is called in paths and commands."""

    __slots__ = ()
    _pattern = r"[a-z0-9-]{1,63}"
    _kind = "slug"


class HookName(_Word):
    """What a hook is called over the whole manifest."""

    __slots__ = ()
    _pattern = r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}"
    _kind = "hook name"

    @classmethod
    def derived(cls, event: str, cmd: Iterable[str], *, fire_on_untrusted: bool) -> HookName:
        """The name of a hook that is given none: it follows from what the hook does."""
        from hashlib import sha256  # Few hooks go without a name.

        parts = (event, "\x1f".join(cmd), chr(fire_on_untrusted))
        text = "\x1f".join(parts).encode("utf-8", "surrogatepass")
        return cls(sha256(text).hexdigest()[:12])


@ordered
class Glob:
    """A pattern over a whole address: `*` is anything but `@`, `?` any one character but `@`."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Glob:
        lower = _lower(text.strip())
        if not lower or len(lower) > 320:
            raise InvalidNameError(
                f"{text!r} is not a pattern for an address: write '*@example.com'"
            )
        local, at, domain = lower.rpartition("@")
        if not domain.isascii():
            domain = Domain.parse(domain).ascii
        return cls(local + at + domain)

    def matches(self, address: str) -> bool:
        wanted, found = self.text.split("@"), _lower(address).split("@")
        return len(wanted) == len(found) and all(map(_matches, wanted, found))

    @property
    def can_match(self) -> bool:
        """Whether any address at all fits: it has one `@`, and so must the pattern."""
        return self.text.count("@") == 1

    def __str__(self) -> str:
        return self.text


def _lower(address: str) -> str:
    """Not so the Kelvin sign, which would be the letter k from then on: another address."""
    return "\N{KELVIN SIGN}".join(map(str.lower, address.split("\N{KELVIN SIGN}")))


def _matches(pattern: str, text: str) -> bool:
    """Wildcard matching in at most `len(pattern) * len(text)` steps, whatever a sender sends."""
    at, resume, star = 0, 0, -1
    position = 0
    while position < len(text):
        if at < len(pattern) and pattern[at] == WILDCARD:
            star, resume = at, position
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", text[position]):
            at, position = at + 1, position + 1
        elif star >= 0:
            resume += 1
            at, position = star + 1, resume
        else:
            return False
    return not pattern[at:].strip(WILDCARD)
