"""Frozen dataclasses whose methods are made when they are first called.

The standard library writes eight functions for each class, and compiles them where it is declared.
A command declares two hundred classes, makes values of half of them and compares those of a dozen:
what it never called was a sixth of its time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field
from operator import attrgetter, ge, gt, le, lt
from typing import Any, NoReturn, TypeAlias, TypeVar, dataclass_transform

T = TypeVar("T")
Fields: TypeAlias = Mapping[str, Field[Any]]

# What a class has for itself, and another must not share with it.
_ITS_OWN = {"__dict__", "__weakref__"}
_DESCRIBED = ("__dataclass_fields__", "__dataclass_params__")
_ORDERS = {"__lt__": lt, "__le__": le, "__gt__": gt, "__ge__": ge}
_ANEW = object()  # Given for what is made anew for each value.


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def frozen(kind: type[T]) -> type[T]:
    """What `dataclass(frozen=True, slots=True)` makes of a class that inherits no fields.

    `fields`, `replace`, `asdict` and patterns know it as one of theirs.
    """
    return _made(kind, {})


@dataclass_transform(frozen_default=True, order_default=True, field_specifiers=(dataclasses.field,))
def ordered(kind: type[T]) -> type[T]:
    """`frozen`, and of two of one class the lesser is the one whose values are, in their order."""
    return _made(kind, _ORDERS)


def _made(kind: type[T], orders: Mapping[str, Callable[..., bool]]) -> type[T]:
    said = _said(kind)
    declared: Mapping[str, str] = said.get("__annotations__", {})
    names = [name for name, told in declared.items() if not told.startswith("ClassVar")]
    fields = {name: _field(said.pop(name, MISSING)) for name in names}
    told = [name for name, each in fields.items() if each.repr]
    compared = [name for name, each in fields.items() if each.compare]
    said |= {
        "__slots__": tuple(names),
        "__init__": _Initializer(fields, ends="__post_init__" in said),
        "__setattr__": _refuse,
        "__delattr__": _refuse,
        **_copying(names),
        "__repr__": _telling(told),
        **_comparing(attrgetter(*compared) if compared else type, orders),
        "__match_args__": tuple(name for name, each in fields.items() if each.init),
        **{name: _Described(kind, name) for name in _DESCRIBED},
    }
    made = _twin(kind, said)
    made.__qualname__ = kind.__qualname__
    return made  # type: ignore[no-any-return]


def _said(kind: type) -> dict[str, Any]:
    """What its statement says, and nothing that was made for it alone."""
    return {name: value for name, value in vars(kind).items() if name not in _ITS_OWN}


def _twin(kind: type, said: dict[str, Any]) -> Any:
    maker: Any = type(kind)
    return maker(kind.__name__, kind.__bases__, said)


def _field(default: Any) -> Field[Any]:
    return default if isinstance(default, Field) else dataclasses.field(default=default)


def _refuse(self: object, name: str, *_: object) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"{name} of {type(self).__qualname__} is not to change")


def _copying(names: Sequence[str]) -> Mapping[str, Callable[..., object]]:
    """What a copy, or another process, needs of it."""

    def state(self: object) -> list[object]:
        return [getattr(self, name) for name in names]

    def restore(self: object, state: Iterable[object]) -> None:
        for name, value in zip(names, state, strict=True):
            object.__setattr__(self, name, value)

    return {"__getstate__": state, "__setstate__": restore}


def _initializer(fields: Fields, *, ends: bool) -> Callable[..., None]:
    """An `__init__` as somebody would write it by hand, since thousands of values are made."""
    known: dict[str, Any] = {"_set": object.__setattr__, "_anew": _ANEW}
    parameters, lines = ["self"], ["pass"]
    for name, each in fields.items():
        parameter = value = name
        if each.default_factory is not MISSING:
            known[f"_new_{name}"] = each.default_factory
            parameter, value = f"{name}=_anew", f"_new_{name}() if {name} is _anew else {name}"
        elif each.default is not MISSING:
            known[f"_{name}"] = each.default
            parameter = f"{name}=_{name}"
        if each.init:
            parameters.append(parameter)
            lines.append(f"_set(self, {name!r}, {value})")
    lines += ["self.__post_init__()"] if ends else []
    written = f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines)
    exec(written, known)  # noqa: S102 - of nothing but names that a class statement declares
    return known["__init__"]  # type: ignore[no-any-return]


def _telling(names: Iterable[str]) -> Callable[[object], str]:
    def tell(self: object) -> str:
        told = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__qualname__}({told})"

    return tell


def _comparing(
    values: Callable[[Any], object], orders: Mapping[str, Callable[..., bool]]
) -> Mapping[str, Callable[..., object]]:
    """Two of one class are equal where their values are, and then have one hash."""

    def equals(self: object, other: object) -> bool:
        return values(self) == values(other) if type(other) is type(self) else NotImplemented

    def hashed(self: object) -> int:
        return hash(values(self))

    return {
        "__eq__": equals,
        "__hash__": hashed,
        **{name: _ordering(values, order) for name, order in orders.items()},
    }


def _ordering(
    values: Callable[[Any], object], order: Callable[..., bool]
) -> Callable[[object, object], bool]:
    def compare(self: object, other: object) -> bool:
        return order(values(self), values(other)) if type(other) is type(self) else NotImplemented

    return compare


class _Initializer:
    """An `__init__`, compiled when the first value is made or somebody asks for its signature."""

    __slots__ = ("_ends", "_fields")

    def __init__(self, fields: Fields, *, ends: bool) -> None:
        self._fields = fields
        self._ends = ends

    def __get__(self, it: object, owner: Any) -> object:
        compiled = _initializer(self._fields, ends=self._ends)
        for kind in owner.__mro__:
            if vars(kind).get("__init__") is self:
                kind.__init__ = compiled
        return compiled.__get__(it, owner)


class _Described:
    """What the standard library says of a class that it has made, from when somebody asks."""

    __slots__ = ("_kind", "_name")

    def __init__(self, kind: type, name: str) -> None:
        self._kind = kind
        self._name = name

    def __get__(self, it: object, owner: type) -> object:
        # Of a copy, since the standard library does that once to a class, and threads ask together.
        twin = _twin(self._kind, _said(self._kind))
        dataclasses.dataclass(frozen=True, init=False, repr=False, eq=False)(twin)
        told = getattr(twin, self._name)
        setattr(owner, self._name, told)
        return told
