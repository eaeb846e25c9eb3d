"""What a manifest says that was read before, and differs from that by plain mailboxes alone.

To read ten thousand mailboxes takes a quarter of a second, and nearly every edit is of one. A
plain mailbox has an owner and nothing else, and no rule speaks of it but those that are asked
here. Whatever is not seen to be such an edit is for `manifest.read`, which tells what is wrong.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

from desired.desired import Desired, Mailbox
from desired.frozen import frozen, replace
from desired.manifest import Reading
from desired.names import WILDCARD, Address, InvalidNameError, Owner
from desired.problem import Problem, Source, digest

# With a string of several lines a line means less than it says; an escape may hide a name.
_MISLEADING = (b'"""', b"'''", b"\\u", b"\\U")
# No value can stand in a line of its own and begin so: it is a table's header, of whatever depth.
_HEADER = re.compile(
    rb"^\[\[?(?:controller|dns|domain|http|identities|limits|log|mailboxes|metrics|moved|outbound"
    rb"|policy|removed|server|smtp|tls|upgrade)[].]",
    re.MULTILINE,
)
# Nothing of it can be read in two ways, and to give nothing back takes a third of the time.
_EMPTY = rb"[ \t]*+(?:#[ -~\t]*+)?+\r?+\n"
_REMARKS = re.compile(rb"(?:%b)*+" % _EMPTY)
_REMARK = re.compile(rb"\n[ \t]*+#[ -~\t]*+\r?+(?=\n)")
# Of plain mailboxes what stands before the address, and between that and the owner.
_HEADING = re.compile(rb"%b(?:%b)*+\[mailboxes\." % ((_EMPTY,) * 2))
_OWNED = re.compile(rb"\]%b(?:%b)*+owner[ \t]*+=[ \t]*+" % ((_EMPTY,) * 2))
_NAMES = re.compile(rb"[!-~]*+")
_MAILBOX = b'[mailboxes."'
_INLINE = re.compile(rb"^[ \t]*[\"']?mailboxes", re.MULTILINE)
# Their names are looked for in all the rest; more of them are read with it.
_MOST_GONE = 64
# Owners that rules speak of, and local parts.
_SPECIAL_OWNERS = frozenset({"root", "aimx-catchall"})
_SPECIAL = frozenset({"postmaster", WILDCARD})

Owners = Mapping[str, str]  # By the mailbox's address.

# An edit is read as a manifest, and once more as the engine config that follows from it: what was
# made last of those that come, and of those that go.
_known: deque[tuple[object, Mapping[str, Mailbox]]] = deque(maxlen=2)


def amended(
    last: Reading, sources: tuple[Source, ...], exists: Callable[[str], bool] | None = None
) -> Reading | None:
    """What the sources say, from what was read last; None where they must be read."""
    edit = _edit(last.desired.sources, sources)
    gone, come = (_plain(edit.gone), _plain(edit.come)) if edit else (None, None)
    if edit is None or gone is None or come is None:
        return None
    left = {address: gone[address] for address in gone if come.get(address) != gone[address]}
    new = {address: come[address] for address in come if gone.get(address) != come[address]}
    made = _made(new, last.desired)
    owners = _owners(new.values(), last.owners, exists)
    warnings = _moved(last.warnings, edit)
    if made is None or owners is None or warnings is None:
        return None
    if not (_is_plain(left, last.desired, edit) and _is_free(new, left, last.desired)):
        return None
    kept = {text: box for text, box in last.desired.mailboxes.items() if text not in left}
    desired = replace(
        last.desired, mailboxes={**kept, **made}, digest=digest(sources), sources=sources
    )
    return Reading(desired, warnings, owners)


@frozen
class _Edit:
    """Where one of the sources differs, widened to whole tables."""

    file: str
    above: int  # Lines of remarks at the top of both, which may differ.
    before: bytes  # Without them, as what is after.
    after: bytes
    start: int  # In both.
    end: int  # In the one before.
    end_after: int

    @property
    def gone(self) -> bytes:
        return self.before[self.start : self.end]

    @property
    def come(self) -> bytes:
        return self.after[self.start : self.end_after]

    @property
    def lines(self) -> tuple[int, int, int]:
        """The first line that differs, the first that is alike again, and by how much it moved."""
        first = self.above + self.before.count(b"\n", 0, self.start) + 1
        last = self.above + self.before.count(b"\n", 0, self.end) + 1
        return first, last, self.come.count(b"\n") - self.gone.count(b"\n")


def _edit(before: tuple[Source, ...], after: tuple[Source, ...]) -> _Edit | None:
    """The one edit that leads from the one to the other."""
    if [source.name for source in before] != [source.name for source in after]:
        return None
    differing = [pair for pair in zip(before, after, strict=True) if pair[0].raw != pair[1].raw]
    if len(differing) != 1:
        return None
    (old, new), *_ = differing
    texts = (old.raw, new.raw)
    # Half a line end at the very end is no line end, and not legal.
    if any(mark in text for mark in _MISLEADING for text in texts) or new.raw.endswith(b"\r"):
        return None
    (above, before_it), (above_new, after_it) = map(_parted, (old.raw, new.raw))
    return _between(old.name, above, before_it, after_it) if above == above_new else None


def _parted(text: bytes) -> tuple[int, bytes]:
    """How many lines of remarks stand at the top, and what stands below them, ended by a newline.

    The engine config names its generation there.
    """
    found = _REMARKS.match(text)
    end = found.end() if found else 0
    return text.count(b"\n", 0, end), text[end:] if text.endswith(b"\n") else text[end:] + b"\n"


def _between(file: str, above: int, before: bytes, after: bytes) -> _Edit | None:
    """The edit, from the header before the first difference to the one behind the last."""
    start = _tables_from(before, _alike(before, after))
    if start is None or _INLINE.search(before, 0, _first_header(before)):
        return None
    alike = _alike(before[start:][::-1], after[start:][::-1])
    end = _first_header(before, len(before) - alike)
    return _Edit(file, above, before, after, start, end, end + len(after) - len(before))


def _tables_from(text: bytes, position: int) -> int | None:
    """Where the line begins, if nothing but remarks stands between it and a table, or the end;
    else where the mailbox begins that it is of."""
    line = text.rfind(b"\n", 0, position) + 1
    remarks = _REMARKS.match(text, line)
    table = remarks.end() if remarks else line
    if table == len(text) or _HEADER.match(text, table):
        return line
    found = text.rfind(b"\n" + _MAILBOX, 0, position)
    return found + 1 if found >= 0 else None


def _first_header(text: bytes, position: int = 0) -> int:
    found = _HEADER.search(text, position)
    return found.start() if found else len(text)


def _alike(one: bytes, other: bytes) -> int:
    """How many octets they have in common at their beginning."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _plain(text: bytes) -> Owners | None:
    """The mailboxes that a text declares, if it declares plain ones and nothing else."""
    # Cut at its quotes, since between the names all tables of a large edit are alike.
    *parts, _ = (_REMARK.sub(b"", b"\n" + text) + _MAILBOX).split(b'"')
    addresses, owners = parts[1::4], parts[3::4]
    are_plain = (
        len(addresses) == len(owners)
        and all(map(_HEADING.fullmatch, set(parts[0::4])))
        and all(map(_OWNED.fullmatch, set(parts[2::4])))
        and _NAMES.fullmatch(b"".join([*addresses, *owners]))
    )
    if not are_plain or len(set(addresses)) < len(addresses):
        return None
    return dict(zip(map(bytes.decode, addresses), map(bytes.decode, owners), strict=True))


def _made(owners: Owners, desired: Desired) -> Mapping[str, Mailbox] | None:
    """The mailboxes, unless a rule has something to say of one."""
    asked = (owners, desired.domains, desired.limits)
    for known, made in tuple(_known):
        if known == asked:
            return made
    found = _checked(owners, desired)
    if found is not None:
        _known.append((asked, found))
    return found


def _checked(owners: Owners, desired: Desired) -> Mapping[str, Mailbox] | None:
    made: dict[str, Mailbox] = {}
    domains = {domain.name.ascii: domain for domain in desired.domains}
    try:
        for owner in set(owners.values()):
            Owner.parse(owner)
        for text, owner in owners.items():
            address = Address.parse(text)
            local, domain = address.local.text, domains[address.domain.ascii]
            if f"{local}@{address.domain.ascii}" != text or local in _SPECIAL:
                return None
            made[text] = Mailbox(
                address, owner, domain.trust, domain.trusted_senders, limits=desired.limits
            )
    except (InvalidNameError, KeyError):
        return None
    return made


def _owners(
    named: Iterable[str], known: Mapping[str, bool], exists: Callable[[str], bool] | None
) -> Mapping[str, bool] | None:
    """Whether there is such a user, of each who was named before or is now."""
    new = set(named) - known.keys()
    if new & _SPECIAL_OWNERS:
        return None
    owners = {**known, **({owner: exists(owner) for owner in new} if exists else {})}
    return owners if all(owners.get(owner, True) for owner in named) else None


def _is_plain(left: Owners, desired: Desired, edit: _Edit) -> bool:
    """Whether nothing in the rest speaks of a mailbox that goes, or that changes its owner."""
    if len(left) > _MOST_GONE or _made(left, desired) != {
        text: desired.mailboxes.get(text) for text in left
    }:
        return False
    rest = (edit.before[: edit.start], edit.before[edit.end :])
    names = (quote + text.encode() + quote for text in left for quote in (b'"', b"'"))
    return not any(name in part for name in names for part in rest)


def _is_free(new: Owners, left: Owners, desired: Desired) -> bool:
    """Whether no other table speaks of these addresses."""
    named = {str(address) for address in _spoken_of(desired)}
    taken = desired.mailboxes.keys() - left.keys()
    return named.isdisjoint(chain(new, left)) and taken.isdisjoint(new)


def _spoken_of(desired: Desired) -> Iterator[Address]:
    """Addresses that a manifest speaks of elsewhere than in their own tables."""
    for mailbox in desired.mailboxes.values():
        yield from mailbox.aliases
    for identity in desired.identities.values():
        yield from identity.mailboxes
    for moved in desired.moved:
        yield from (moved.source, moved.target)
    yield from (removed.address for removed in desired.removed)


def _moved(warnings: tuple[Problem, ...], edit: _Edit) -> tuple[Problem, ...] | None:
    """The warnings with their lines as they are now; None where one is of a line that changed."""
    first, last, by = edit.lines if warnings else (0, 0, 0)
    if any(first <= each.where.line < last and each.where.file == edit.file for each in warnings):
        return None
    return tuple(
        replace(each, where=replace(each.where, line=each.where.line + by))
        if each.where.file == edit.file and each.where.line >= last
        else each
        for each in warnings
    )
