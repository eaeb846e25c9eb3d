"""Tables without what is wrong in them, so that the rest of it can still be checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

from desired.finding import Pattern, fits
from desired.frozen import frozen
from desired.problem import KeyPath, Source, dotted
from desired.tables import Tables

# Of the table that lacks it, and of a word that nothing else in the manifest has: a value to which
# no rule objects.
StandIn = Callable[[dict[str, Any], str], object]


def _event(hook: dict[str, Any], _: str) -> object:
    return "on_receive" if hook.get("fire_on_untrusted") is True else "after_send"


def _mailbox(_: dict[str, Any], word: str) -> object:
    return f"mailbox/{word}@domain.invalid"


def _url(_: dict[str, Any], word: str) -> object:
    return f"https://{word}.invalid"


_STAND_INS: tuple[tuple[Pattern, StandIn], ...] = (
    (("mailboxes", "*", "owner"), lambda _, word: "aimx-catchall"),
    (("mailboxes", "*", "hooks", "*", "event"), _event),
    (("mailboxes", "*", "hooks", "*", "cmd"), lambda _, word: ["/"]),
    (("moved", "*", "from"), _mailbox),
    (("moved", "*", "to"), _mailbox),
    (("identities", "*", "name"), lambda _, word: word),
    (("identities", "*", "url"), _url),
)
_DOMAIN = "domain{}.invalid"


@frozen
class Mended:
    """What was done to the tables, by the paths that they had before."""

    gone: tuple[KeyPath, ...]  # Items that were taken out of arrays.
    made_up: tuple[KeyPath, ...]  # Keys that have another value now, or none.


def mend(source: Source, tables: Tables, wrong: Iterable[tuple[KeyPath, bool]]) -> Mended:
    """Put something else where a key must have a value, and take out the rest.

    `wrong`: the path of each fault, and whether what stands there is missing.
    """
    taken: dict[KeyPath, None] = {}
    stood_in: list[KeyPath] = []
    for path, missing in reversed(tuple(wrong)):
        if path[0] == "domains":
            # Without it every mailbox would seem to be on somebody else's domain.
            _name_domain(tables, path)
        elif stand_in := next((made for known, made in _STAND_INS if fits(known, path)), None):
            table = _at(tables, path[:-1])
            table[path[-1]] = stand_in(table, _word(source, path))
            stood_in.append(path)
        else:
            taken[path[:-1] if missing else path] = None
    # The deepest first, and the last of an array first: no path is moved by another's removal.
    gone = sorted(taken, key=len, reverse=True)
    for path in gone:
        del _at(tables, path[:-1])[path[-1]]
    items = tuple(path for path in gone if isinstance(path[-1], int))
    return Mended(items, (*stood_in, *(path for path in gone if isinstance(path[-1], str))))


def _word(source: Source, path: KeyPath) -> str:
    place = f"{source.name}\n{dotted(path)}".encode(errors="surrogateescape")
    return sha256(place).hexdigest()[:16]


def _name_domain(tables: Tables, path: KeyPath) -> None:
    if len(path) == 1:
        tables["domains"] = [_DOMAIN.format("")]
    else:
        tables["domains"][path[1]] = _DOMAIN.format(path[1])


def _at(tables: Tables, path: KeyPath) -> Any:
    holder: Any = tables
    for key in path:
        holder = holder[key]
    return holder
