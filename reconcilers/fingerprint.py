"""Digests that say whether a plan still fits: the same on every machine and in every process."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import lru_cache, partial
from hashlib import sha256
from json.encoder import encode_basestring_ascii
from operator import attrgetter
from pathlib import PurePath
from types import NoneType
from typing import Any, Generic, TypeAlias, TypeVar

from desired.frozen import fields
from desired.itself import once
from reconcilers.change import Change, Fingerprint
from reconcilers.difference import Changed, Difference, Missing, Surplus
from reconcilers.operations.files import WriteFile
from reconcilers.plan import Plan
from reconcilers.reconciler import body
from reconcilers.step import Phase, Step

T = TypeVar("T")
R = TypeVar("R")

Form: TypeAlias = Callable[[Any], object]


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def canonical(value: object) -> object:
    """The value as JSON can hold it, with nothing in it that an order or an address decides."""
    kind = type(value)
    form = _FORMS.get(kind)
    if form is None:
        form = _FORMS[kind] = _form(kind)
    return form(value)


# By type, each found out once: a plan of thousands is of few types.
_FORMS: dict[Any, Form] = {}


def _form(kind: type[Any]) -> Form:
    if issubclass(kind, Enum):
        return _of_enum
    if kind is NoneType or issubclass(kind, int | str):
        return _as_it_is
    if issubclass(kind, bytes):
        return _of_bytes
    if issubclass(kind, PurePath):
        return str
    if issubclass(kind, Mapping):
        return _of_mapping
    if issubclass(kind, tuple | list):
        return _of_parts
    if not hasattr(kind, "__parts__"):
        raise TypeError(f"{kind.__qualname__} has no fingerprint")
    return _of_dataclass(kind)


def _as_it_is(value: object) -> object:
    return value


def _of_enum(value: Enum) -> object:
    return value.value


def _of_bytes(value: bytes) -> object:
    return {"sha256": digest(value)}


def _of_mapping(value: Mapping[Any, Any]) -> object:
    return {str(key): canonical(value[key]) for key in sorted(value, key=str)}


def _of_parts(value: Sequence[Any]) -> object:
    return [part if type(part) is str else canonical(part) for part in value]


def _of_dataclass(kind: Any) -> Form:
    """Two types may have equal fields, and mean different things."""
    name, names = kind.__name__, tuple(fields(kind))

    def parts(value: Any) -> object:
        said: dict[str, object] = {"is": name}
        for each in names:
            part = getattr(value, each)
            said[each] = part if type(part) is str else canonical(part)
        return said

    return parts


def fingerprint(difference: Difference[Any]) -> Fingerprint:
    """Of what is desired and what was observed, as far as a change was planned from it."""
    match difference:
        case Missing(_, desired):
            return _of_halves(_half(desired), "")
        case Changed(_, desired, observed):
            return _of_halves(_half(desired), _half(observed))
        case Surplus(_, observed):
            return _of_halves("", _half(observed))


@lru_cache(maxsize=1 << 10)
def _of_halves(desired: str, observed: str) -> Fingerprint:
    """One object for all that are alike."""
    return Fingerprint(desired, observed)


def _half(value: object) -> str:
    # Bare tuples are of mailboxes, of which thousands differ in nothing but their names.
    return _of_tuple(value) if isinstance(value, tuple) else _of_value(value)


@lru_cache(maxsize=1 << 10)
def _of_tuple(value: tuple[object, ...]) -> str:
    return _of_value(value)


def _of_value(value: object) -> str:
    # Half of a digest: nobody gains by two values that look alike, and a plan holds thousands.
    return digest(_written(canonical(value)).encode())[:32]


class Words:
    """Values as JSON, each put into it once: of thousands of changes most have the same objects.

    They must live as long as this does.
    """

    def __init__(self, encode: Callable[[object], str]) -> None:
        self._encode = encode
        self._known: dict[int, str] = {}

    def of(self, value: object) -> str:
        known = self._known.get(id(value))
        if known is None:
            known = self._known[id(value)] = self._encode(canonical(value))
        return known


class Alike(Generic[T, R]):
    """What follows from some parts of a value, computed once for all that have the same objects.

    Of thousands of changes most differ in nothing but their addresses. The parts must live as
    long as this does.
    """

    def __init__(self, parts: Callable[[T], tuple[object, ...]], compute: Callable[[T], R]) -> None:
        """`parts`: several, and all that decides."""
        self._parts = parts
        self._compute = compute
        self._known: dict[tuple[int, ...], R] = {}

    def of(self, value: T) -> R:
        key = tuple(map(id, self._parts(value)))
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._compute(value)
        return known


# All that a change says but its address.
_LIKENESS = attrgetter(*[name for name in fields(Change) if name != "address"])


@once
def _firsts(plan: Plan) -> Sequence[Change]:
    """For each change the first that differs from it in nothing but its address."""
    known: dict[tuple[int, ...], Change] = {}
    return [known.setdefault(tuple(map(id, _LIKENESS(each))), each) for each in plan.changes]


def told_alike(plan: Plan, tell: Callable[[Change], R]) -> Sequence[tuple[Change, R]]:
    """Each change with what is told of it beside its address, once for all that are alike."""
    firsts = _firsts(plan)
    told = {each: tell(change) for each, change in {id(it): it for it in firsts}.items()}
    return [(change, told[id(it)]) for change, it in zip(plan.changes, firsts, strict=True)]


@once
def plan_id(plan: Plan) -> str:
    """What a consent is bound to: all that the plan does, and nothing that it merely tells.

    A comment that moves the manifest's lines, and mail that arrives meanwhile, keep the id.
    """
    words = Words(_written)
    planned = told_alike(plan, partial(_planned, words=words))
    changes = ",".join([f"[{_text(each.address)},{told}]" for each, told in planned])
    steps = ",".join([_described(step, words) for step in plan.steps])
    config = canonical(None if plan.config is None else body(plan.config))
    does = f"[{plan.generation},[{changes}],[{steps}],{_written(config)}]"
    return f"sha256:{digest(does.encode())}"


def _planned(change: Change, words: Words) -> str:
    """Of a change all but its address."""
    parts = (change.fingerprint, change.fields, change.blocked)
    return f'"{change.action}",{",".join(map(words.of, parts))}'


def _described(step: Step, words: Words) -> str:
    operation = step.operation
    written = digest(operation.content) if isinstance(operation, WriteFile) else ""
    # The engine config's header names a generation and a manifest, of which a comment is part.
    told = "" if step.phase is Phase.CONFIG else written
    kind, does, after = type(operation).__name__, _text(step.does), words.of(step.after)
    return f'[{_text(step.id)},{int(step.phase)},"{kind}",{does},"{told}",{after}]'


_JSON = json.JSONEncoder(separators=(",", ":"), sort_keys=True)
_written: Callable[[object], str] = _JSON.encode
_text: Callable[[str], str] = encode_basestring_ascii
