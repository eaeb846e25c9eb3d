"""Dataclasses whose methods are made when they are first called.

The standard library writes eight functions for each class, and compiles them where it is declared.
A command declares two hundred classes, makes values of half of them and compares those of a dozen:
what it never called was a sixth of its time, and loading what would write it another twentieth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from operator import attrgetter, ge, gt, le, lt
from typing import Any, NoReturn, TypeAlias, TypeVar, dataclass_transform, overload

T = TypeVar("T")

# What a class has for itself, and another must not share with it.
_ITS_OWN = {"__dict__", "__weakref__"}
_DESCRIBED = ("__dataclass_fields__", "__dataclass_params__")
_LAID_OUT = {"__slots__", "__orig_bases__"}
_FEW = 8  # Values that are made by hand: to compile an `__init__` takes as long as to fill thirty.
_LARGE = 4  # Fields.
_ANEW = object()  # Given for what is made anew for each value.
_NONE = object()  # Where nothing is said.


class Field:
    """What a class says of one of its fields."""

    __slots__ = ("compare", "default", "default_factory", "init", "repr")

    def __init__(
        self,
        default: Any = _NONE,
        default_factory: Any = _NONE,
        *,
        init: bool = True,
        repr: bool = True,
        compare: bool = True,
    ) -> None:
        self.default = default
        self.default_factory = default_factory
        self.init = init
        self.repr = repr
        self.compare = compare

    def usual(self) -> Any:
        """What a value has where nothing is given for it; `_NONE` where something must be."""
        return self.default if self.default_factory is _NONE else self.default_factory()


Fields: TypeAlias = Mapping[str, Field]
_BARE = Field()  # One of which no more is said than its name.


@overload
def field(*, default: T, init: bool = True, repr: bool = True, compare: bool = True) -> T: ...


@overload
def field(
    *, default_factory: Callable[[], T], init: bool = True, repr: bool = True, compare: bool = True
) -> T: ...


@overload
def field(*, init: bool = True, repr: bool = True, compare: bool = True) -> Any: ...


def field(**said: Any) -> Any:
    """As of the standard library's."""
    return Field(**said)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(kind: type[T]) -> type[T]:
    """What `dataclass(frozen=True, slots=True)` makes of a class that inherits no fields.

    The standard library's functions and patterns know it as one of theirs.
    """
    return _made(kind, _FROZEN)


@dataclass_transform(frozen_default=True, order_default=True, field_specifiers=(field,))
def ordered(kind: type[T]) -> type[T]:
    """`frozen`, and of two of one class the lesser is the one whose values are, in their order."""
    return _made(kind, _FROZEN, _ORDERS)


@dataclass_transform(field_specifiers=(field,))
def mutable(kind: type[T]) -> type[T]:
    """What `dataclass(slots=True)` makes of a class that inherits no fields."""
    return _made(kind, {"__hash__": None})


def fields(value: object) -> Fields:
    """What a value of ours, or its class, is made of, by name; nothing for any other."""
    return getattr(value, "__parts__", {})


def replace(value: T, **changes: Any) -> T:
    """Another of its class, with these values in place of its own."""
    kind: Any = type(value)
    given, places = _given(kind)
    values = [*given(value)]
    try:
        for name, changed in changes.items():
            values[places[name]] = changed
    except KeyError:
        return kind(**changes)  # type: ignore[no-any-return]  # It says which is none of its own.
    return kind(*values)  # type: ignore[no-any-return]


@cache
def _given(kind: Any) -> tuple[Callable[[Any], Iterable[object]], Mapping[str, int]]:
    """What a value of the class was made of, in order; which of that bears which name."""
    names = kind.__match_args__
    places = {name: place for place, name in enumerate(names)}
    if len(names) > 1:
        return attrgetter(*names), places
    return lambda it: [getattr(it, name) for name in names], places


def asdict(value: object) -> dict[str, Any]:
    """The values of its fields by name, and so of those that are within it."""
    return {name: _plain(getattr(value, name)) for name in fields(value)}


def _plain(value: Any) -> Any:
    if fields(value):
        return asdict(value)
    if isinstance(value, Mapping):
        return {_plain(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        parts = map(_plain, value)
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def _made(
    kind: type[T], behaving: Mapping[str, Any], orders: Mapping[str, Callable[..., object]] = {}
) -> type[T]:
    if fields(kind):
        raise TypeError(
            f"{kind.__qualname__} would inherit fields: declare it by the standard library"
        )
    said = _said(kind)
    declared: Mapping[str, str] = said.get("__annotations__", {})
    names = [name for name, told in declared.items() if not told.startswith("ClassVar")]
    parts = {name: _field(said.pop(name)) if name in said else _BARE for name in names}
    compared = [name for name, each in parts.items() if each.compare]
    said |= {
        "__slots__": tuple(names),
        "__parts__": parts,
        "__compared__": attrgetter(*compared) if compared else type,
        "__init__": (initializer := _Initializer(parts, ends="__post_init__" in said)),
        **_ALIKE,
        **orders,
        **behaving,
        "__match_args__": tuple([name for name, each in parts.items() if each.init]),
        **{name: _Described(kind, name, frozen=behaving is _FROZEN) for name in _DESCRIBED},
    }
    made = initializer.kind = _twin(kind, said)
    made.__qualname__ = kind.__qualname__
    return made  # type: ignore[no-any-return]


def _said(kind: type) -> dict[str, Any]:
    """What its statement says, and nothing that was made for it alone."""
    return {name: value for name, value in vars(kind).items() if name not in _ITS_OWN}


def _twin(kind: type, said: dict[str, Any]) -> Any:
    maker: Any = type(kind)
    return maker(kind.__name__, kind.__bases__, said)


def _field(default: Any) -> Field:
    if type(default).__module__ == "dataclasses":
        raise TypeError("a class of ours takes its fields from desired.frozen")
    return default if isinstance(default, Field) else Field(default)


def _refuse(self: object, name: str, *_: object) -> NoReturn:
    from dataclasses import FrozenInstanceError  # Nobody who is right asks for it.

    raise FrozenInstanceError(f"{name} of {type(self).__qualname__} is not to change")


_FROZEN = {"__setattr__": _refuse, "__delattr__": _refuse}


_become = vars(object)["__class__"].__set__  # Whatever it may be set to otherwise.


def _layout(kind: type) -> dict[str, Any]:
    """What a class has to say to be laid out as another."""
    return {name: said for name, said in vars(kind).items() if name in _LAID_OUT}


def _initializer(kind: type, fields: Fields, *, ends: bool) -> Callable[..., None]:
    """An `__init__` that fills the slots one by one, since thousands of values are made.

    A frozen value of many fields is one of an open twin meanwhile: a statement sets a slot in a
    fifth of the time that its setter takes, and to change the class twice takes that of two.
    """
    is_frozen, is_large = kind.__setattr__ is _refuse, len(fields) > _LARGE
    known: dict[str, Any] = {"_anew": _ANEW}
    parameters, lines = ["self"], ["pass"]
    for name, each in fields.items():
        parameter = value = name
        if each.default_factory is not _NONE:
            known[f"_new_{name}"] = each.default_factory
            parameter, value = f"{name}=_anew", f"_new_{name}() if {name} is _anew else {name}"
        elif each.default is not _NONE:
            known[f"_usual_{name}"] = each.default
            parameter = f"{name}=_usual_{name}"
        if each.init:
            known[f"_set_{name}"] = vars(kind)[name].__set__
            parameters.append(parameter)
            by_setter = is_frozen and not is_large
            lines.append(f"_set_{name}(self, {value})" if by_setter else f"self.{name} = {value}")
    if is_frozen and is_large:
        known |= {"_become": _become, "_open": _twin(kind, _layout(kind))}
        lines = ["_kind = self.__class__", "_become(self, _open)", *lines, "self.__class__ = _kind"]
    lines += ["self.__post_init__()"] if ends else []
    written = f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines)
    exec(written, known)  # noqa: S102 - of nothing but names that a class statement declares
    return known["__init__"]  # type: ignore[no-any-return]


def _state(self: Any) -> list[object]:
    """What a copy, or another process, needs of it."""
    return [getattr(self, name) for name in self.__parts__]


def _restore(self: Any, state: Iterable[object]) -> None:
    for name, value in zip(self.__parts__, state, strict=True):
        object.__setattr__(self, name, value)


def _tell(self: Any) -> str:
    names = [name for name, each in self.__parts__.items() if each.repr]
    told = ", ".join([f"{name}={getattr(self, name)!r}" for name in names])
    return f"{type(self).__qualname__}({told})"


def _equals(self: Any, other: object) -> object:
    """Two of one class are equal where their values are, and then have one hash."""
    values = self.__compared__
    if other is self:
        return True
    return values(self) == values(other) if type(other) is type(self) else NotImplemented


def _hashed(self: Any) -> int:
    return hash(self.__compared__(self))


# One function for all classes, since most of them are never told, compared or copied.
_ALIKE = {
    "__getstate__": _state,
    "__setstate__": _restore,
    "__repr__": _tell,
    "__eq__": _equals,
    "__hash__": _hashed,
}


def _ordering(order: Callable[[Any, Any], bool]) -> Callable[[Any, object], object]:
    def compare(self: Any, other: object) -> object:
        values = self.__compared__
        return order(values(self), values(other)) if type(other) is type(self) else NotImplemented

    return compare


_ORDERS = {
    "__lt__": _ordering(lt),
    "__le__": _ordering(le),
    "__gt__": _ordering(gt),
    "__ge__": _ordering(ge),
}


class _Initializer:
    """An `__init__` that fills the first few values itself.

    It is compiled once there are more, which most classes of a command never have, and where
    somebody asks for its signature or gives what does not fit.
    """

    __slots__ = ("_ends", "_few", "_fields", "kind")

    def __init__(self, fields: Fields, *, ends: bool) -> None:
        self._fields = fields
        self._ends = ends
        self._few = _FEW
        self.kind: Any = None  # Whose it is.

    def __get__(self, it: object, owner: type) -> object:
        if it is None or it is self.kind or self._few <= 0:
            return self._compiled().__get__(it, owner)
        self._few -= 1
        return partial(self._fill, it)

    def _compiled(self) -> Any:
        self.kind.__init__ = compiled = _initializer(self.kind, self._fields, ends=self._ends)
        return compiled

    def _fill(self, it: Any, /, *given: object, **named: object) -> None:
        names, fill = self.kind.__match_args__, object.__setattr__
        said = dict(zip(names, given, strict=False)) | named
        fits = len(said) == len(given) + len(named)
        for name in names:
            value = said.pop(name) if name in said else self._fields[name].usual()
            fits = fits and value is not _NONE
            fill(it, name, value)
        if said or not fits:
            self._compiled()(it, *given, **named)  # It says what it is that does not fit.
        elif self._ends:
            it.__post_init__()


class _Described:
    """What the standard library says of a class that it has made, from when somebody asks."""

    __slots__ = ("_frozen", "_kind", "_name")

    def __init__(self, kind: type, name: str, *, frozen: bool) -> None:
        self._kind = kind
        self._name = name
        self._frozen = frozen

    def __get__(self, it: object, owner: type) -> object:
        import dataclasses  # Most commands have nobody who asks.

        # Of a copy, since the standard library does that once to a class, and threads ask together.
        said = _said(self._kind)
        for name, each in said.items():
            if isinstance(each, Field):
                told = {part: getattr(each, part) for part in Field.__slots__}
                told = {part: value for part, value in told.items() if value is not _NONE}
                said[name] = dataclasses.field(**told)
        twin = _twin(self._kind, said)
        dataclasses.dataclass(frozen=self._frozen, init=False, repr=False, eq=False)(twin)
        told = getattr(twin, self._name)
        setattr(owner, self._name, told)
        return told
