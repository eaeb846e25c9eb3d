"""What declarations of CSS say that decides whether an element, or the text in it, is seen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import tinycss2  # type: ignore[import-untyped]

from aimx.mail import color

Style: TypeAlias = Mapping[str, str]  # Names and values, in lower case; only what counts here.

_COUNTS = frozenset(
    (
        *("display", "visibility", "opacity", "filter", "content-visibility", "position", "left"),
        *("top", "right", "bottom", "inset", "clip", "clip-path", "transform", "translate"),
        *("scale", "rotate", "zoom", "overflow", "overflow-x", "overflow-y", "height", "width"),
        *("max-height", "max-width", "line-height", "font", "font-size", "text-indent", "margin"),
        *("margin-left", "margin-top", "color", "background", "background-color"),
        *("background-image", "text-fill-color", "letter-spacing", "mask", "mask-image"),
    )
)
_VENDOR = re.compile(r"^-(?:webkit|moz|ms|o)-")
_DEEPEST = 4  # Functions within functions.
_KEPT = 2048  # Styles of other messages that are remembered: most are of templates.
_NUMBER = re.compile(r"[-+]?(?:[0-9]*\.)?[0-9]+(?:e[-+]?[0-9]+)?")
_LENGTH = re.compile(rf"({_NUMBER.pattern})([a-z]+|%)?$")
_CALCULATED = re.compile(r"calc\(([^()*/]*)\)$")
_CHOSEN = re.compile(r"(min|max|clamp)\(([^()]*)\)$")
_INSET = re.compile(r"inset\(([^()]*)\)")
_VARIABLE = re.compile(r"var\((--[^,()]*)(?:,([^()]*))?\)")
_PIXELS: Mapping[str, float] = {
    "px": 1.0,
    "pt": 4 / 3,
    "pc": 16.0,
    "in": 96.0,
    "cm": 37.8,
    "mm": 3.78,
    "q": 0.945,
    "rem": 16.0,
    "ex": 8.0,
    "ch": 8.0,
    "vw": 10.0,
    "vh": 8.0,
    "": 1.0,
    "vmin": 8.0,
    "vmax": 10.0,
}

_SEEN_SIZE = 4.0  # Pixels: smaller letters nobody reads.
_NO_ROOM = 2.0  # Pixels of a box in which nothing can be read.
_FAR = 900.0  # Pixels to the left of, or above, what is shown.
_FAR_BEHIND = 4000.0  # Pixels to the right of it, or below.
_SEEN_OPACITY = 0.1


@lru_cache(_KEPT)
def written(text: str) -> tuple[Style, Style]:
    """What stands in a `style`, and of that what is important."""
    return declared(tinycss2.parse_blocks_contents(text, skip_comments=True, skip_whitespace=True))


def declared(nodes: Iterable[Any]) -> tuple[Style, Style]:
    """The same of parsed declarations."""
    plain: dict[str, str] = {}
    important: dict[str, str] = {}
    for node in nodes:
        if node.type == "declaration":
            name = node.name if node.name.startswith("--") else _VENDOR.sub("", node.lower_name)
            if name in _COUNTS or name.startswith("--"):
                value = " ".join(_words(node.value)).strip()
                (important if node.important else plain).update(_longhand(name, value))
    return plain, important


def _words(tokens: Iterable[Any], depth: int = 0) -> Iterator[str]:
    for token in tokens:
        match token.type:
            case "ident":
                yield token.value if token.value.startswith("--") else token.lower_value
            case "number" | "dimension" | "percentage":
                unit = "%" if token.type == "percentage" else getattr(token, "lower_unit", "")
                yield f"{token.value:.10g}{unit}"
            case "hash":
                yield f"#{token.value.lower()}"
            case "url":
                yield "url()"
            case "literal":
                yield token.value
            case "function" if depth < _DEEPEST:
                inner = " ".join(_words(token.arguments, depth + 1)).replace(" , ", ",")
                yield f"{token.lower_name}({inner})"


def _longhand(name: str, value: str) -> Mapping[str, str]:
    if name == "font":
        # The size is the first length, and what follows it is of the family.
        lengths = (word for word in value.split() if _LENGTH.match(word))
        return {"font-size": next((each for each in lengths if not _is_weight(each)), "inherit")}
    if name == "background":
        return {"background-color": value, "background-image": value}
    if name == "margin":
        top, *others = value.split() or [""]
        return {"margin-top": top, "margin-left": (others or [top])[2 if len(others) > 2 else 0]}
    if name == "inset":
        return {"left": value.split()[-1] if value else "", "top": value.split(" ")[0]}
    return {name: value}


def _is_weight(word: str) -> bool:
    return len(word) == 3 and word.isdecimal()


def substituted(style: Style, variables: Style) -> Style:
    """With the values of its variables."""
    return {
        name: _VARIABLE.sub(lambda found: variables.get(found[1].strip(), found[2] or ""), value)
        if "var(" in value
        else value
        for name, value in style.items()
    }


def length(value: str | None, whole: float | None = None, em: float = 16.0) -> float | None:
    """In pixels; `whole` is what a percentage is of. None: not said, or not known."""
    if not value:
        return None
    if calculated := _CALCULATED.match(value):
        terms = re.sub(r"([-+]) ", r" \1", calculated[1]).split()
        parts = [length(term, whole, em) for term in terms]
        return sum(filter(None, parts)) if parts and None not in parts else None
    if chosen := _CHOSEN.match(value):
        return _chosen(chosen[1], [length(term, whole, em) for term in chosen[2].split(",")])
    found = _LENGTH.match(value.strip())
    if not found:
        return None
    units = {**_PIXELS, "em": em, "%": None if whole is None else whole / 100}
    scale = units.get(found[2] or "")
    return None if scale is None else float(found[1]) * scale


def _chosen(function: str, among: Sequence[float | None]) -> float | None:
    """CSS Values 4, 10.2."""
    known = [each for each in among if each is not None]
    if len(known) < len(among):
        return None
    if function == "clamp":
        low, *others = known
        return max(low, min(others, default=low))
    return min(known) if function == "min" else max(known)


def font_size(value: str, outer: float) -> float:
    found = length(value, outer, outer)
    return outer if found is None else found


def hides(style: Style) -> bool:
    """Whether nothing of an element with this style is seen, whatever is within it."""
    return (
        style.get("display") == "none"
        or style.get("content-visibility") == "hidden"
        or _is_clear(style)
        or _has_no_room(style)
        or _is_away(style)
        or _is_clipped(style)
        or _is_masked(style)
        or _is_flat(style)
    )


def _is_clear(style: Style) -> bool:
    opacity = length(style.get("opacity"), 1.0)
    found = re.search(r"opacity\(([^()]*)\)", style.get("filter", ""))
    filtered = length(found[1], 1.0) if found else None
    return any(value is not None and value < _SEEN_OPACITY for value in (opacity, filtered))


def _has_no_room(style: Style) -> bool:
    overflows = " ".join(style.get(f"overflow{side}", "") for side in ("", "-x", "-y"))
    if not overflows.strip() or not {"hidden", "clip", "auto", "scroll"} & set(overflows.split()):
        return False
    sides = (length(style.get(side), 100.0) for side in _SIDES)
    indent = length(style.get("text-indent"), 1000.0)
    return any(side is not None and side <= _NO_ROOM for side in sides) or (indent or 0) >= 1000


_SIDES = ("height", "max-height", "width", "max-width", "line-height")


def _is_away(style: Style) -> bool:
    moved = [style.get("text-indent"), style.get("margin-left"), style.get("margin-top")]
    if style.get("position") in ("absolute", "fixed", "relative"):
        moved += [style.get(side) for side in ("left", "top", "right", "bottom")]
    moved += _arguments("translate", style) + style.get("translate", "").split()
    distances = (length(value, 1000.0) for value in moved)
    return any(each is not None and not -_FAR < each < _FAR_BEHIND for each in distances)


def _is_clipped(style: Style) -> bool:
    if cut := _INSET.match(style.get("clip-path", "")):
        return _leaves_nothing(cut[1].partition("round")[0].split())
    path = style.get("clip-path", "").replace(" ", "")
    if path.startswith(("circle(0", "ellipse(0")):
        return not path[path.index("(") + 1 :].startswith("0.")
    if path.startswith("polygon("):
        return len(set(_NUMBER.findall(path))) <= 1
    if style.get("position") in ("absolute", "fixed") and style.get("clip", "").startswith("rect("):
        sides = [length(side) for side in re.split(r"[\s,]+", style["clip"][5:-1].strip())]
        if len(sides) == 4 and None not in sides:
            top, right, bottom, left = (side or 0.0 for side in sides)
            return bottom - top <= _NO_ROOM or right - left <= _NO_ROOM
    return False


def _leaves_nothing(sides: Sequence[str]) -> bool:
    """What is cut off at the top, right, bottom and left, left out as with a margin."""
    cut = [length(side, 100.0) or 0.0 for side in sides[:4]]
    for opposite in (0, 0, 1)[len(cut) - 1 :] if cut else ():
        cut.append(cut[opposite])
    return len(cut) == 4 and (cut[0] + cut[2] >= 100 or cut[1] + cut[3] >= 100)


def _is_masked(style: Style) -> bool:
    """Seen through nothing but what is clear; nobody knows how an image looks."""
    masks = f"{style.get('mask', '')} {style.get('mask-image', '')}"
    found = color.colors(masks) if "gradient(" in masks else []
    return bool(found) and "url(" not in masks and all(each[3] < _SEEN_OPACITY for each in found)


def _is_flat(style: Style) -> bool:
    factors = _arguments("scale", style) + style.get("scale", "").split() + [style.get("zoom", "")]
    known = (length(value, 1.0) for value in factors if value)
    turned = re.search(r"rotate[xy]\(90deg\)", style.get("transform", "")) or re.search(
        r"[xy] .*\b90deg|\b90deg [xy]", style.get("rotate", "")
    )
    return bool(turned) or any(each is not None and abs(each) < _SEEN_OPACITY for each in known)


def _arguments(function: str, style: Style) -> list[str]:
    found = re.findall(rf"{function}(?:3d|x|y)?\(([^()]*)\)", style.get("transform", ""))
    return [word for group in found for word in re.split(r"[\s,]+", group) if word]
