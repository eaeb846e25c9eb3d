"""Colours as CSS writes them -> red, green and blue (CSS Color 4).

Spaces that are wider than that of screens are taken for it: what is white or black there is here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

from tinycss2.color5 import parse_color  # type: ignore[import-untyped]

Color: TypeAlias = tuple[float, float, float, float]  # Red, green, blue and how opaque, 0 to 1.

_KEPT = 2048  # Values of other messages that are remembered: most are of templates.
_AMONG_OTHERS = re.compile(r"(?:rgba?|hsla?|hwb|(?:ok)?(?:lab|lch)|color)\([^()]*\)|#?[a-z0-9]+")
# CSS Color 5, 3: most mixes are of two colours, each with its share.
_ONE = r"([a-z-]+\([^()]*\)|#?[a-z0-9]+)(?: ([0-9]{1,3}(?:\.[0-9]{1,9})?)%)?"
_MIX = re.compile(rf"color-mix\(in [^,()]+,\s*{_ONE}\s*,\s*{_ONE}\s*\)$")
# CSS Color 4, 17: to the light of a screen, from what is measured in daylight (D65, D50).
_FROM_XYZ = {
    "xyz-d65": ((3.2410, -1.5374, -0.4986), (-0.9692, 1.8760, 0.0416), (0.0556, -0.2040, 1.0570)),
    "xyz-d50": ((3.1339, -1.6169, -0.4906), (-0.9788, 1.9161, 0.0335), (0.0719, -0.2290, 1.4052)),
}
_MEASURED = {"lab": "xyz-d50", "lch": "xyz-d50", "oklab": "xyz-d65", "oklch": "xyz-d65"}


@lru_cache(_KEPT)
def color(value: str) -> Color | None:
    """None for what is no colour, or one that is not known here."""
    try:
        if mix := _MIX.match(value):
            return _mixed(color(mix[1]), mix[2], color(mix[3]), mix[4])
        found = parse_color(value)
        if found is None or isinstance(found, str):
            return None
        if found.space in ("hsl", "hwb"):
            found = found.to("srgb")
        elif found.space in _MEASURED:
            found = found.to(_MEASURED[found.space])
        red, green, blue = _on_screen(found.space, [part or 0.0 for part in found.coordinates])
    except (NotImplementedError, ValueError, TypeError, ArithmeticError):
        return None
    return red, green, blue, found.alpha


def _mixed(one: Color | None, share: str, other: Color | None, rest: str) -> Color | None:
    """As on a screen, whatever the space: white with white, or with nothing else, is white."""
    if one is None or other is None:
        return None
    first = float(share) if share else 100 - float(rest or 50)
    second = float(rest) if rest else 100 - first
    whole = first + second
    if first < 0 or second < 0 or not whole:
        return None
    # CSS Color 5, 3.1: shares that are less than the whole leave the rest clear.
    alpha = (one[3] * first + other[3] * second) / whole
    red, green, blue = (
        (a * one[3] * first + b * other[3] * second) / (alpha * whole) if alpha else 0.0
        for a, b in zip(one[:3], other[:3], strict=True)
    )
    return red, green, blue, alpha * min(whole / 100, 1.0)


def colors(value: str) -> list[Color]:
    """All that stand in a value, also within a gradient."""
    return [found for found in map(color, _AMONG_OTHERS.findall(value)) if found]


def _on_screen(space: str, parts: Sequence[float]) -> Sequence[float]:
    rows = _FROM_XYZ.get(space)
    if rows:
        parts = [sum(a * b for a, b in zip(row, parts, strict=True)) for row in rows]
    if rows or space == "srgb-linear":
        parts = [_encoded(min(max(part, 0.0), 1.0)) for part in parts]
    return parts


def _encoded(light: float) -> float:
    """CSS Color 4, 10.2: as the eye takes it."""
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
