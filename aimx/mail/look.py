"""How text looks where it stands: its colour, what is behind it, its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from aimx.mail import color, style
from aimx.mail.color import Color
from aimx.mail.style import Style

_WHITE: Color = (1.0, 1.0, 1.0, 1.0)
_BLACK: Color = (0.0, 0.0, 0.0, 1.0)
_BLUE: Color = (0.0, 0.0, 0.93, 1.0)
_SEEN_SIZE = 4.0  # Pixels: smaller letters nobody reads.
_SEEN_OPACITY = 0.1
_PILED_UP = 0.75  # Of the size: letters that are drawn back so far are all in one place.
_ALIKE = 0.08  # Of a colour's parts, 0 to 1: what differs by less nobody tells apart.
_COVERS = 0.5  # How opaque a ground must be to hide what is behind it.
_UNDONE = {"visible": True, "hidden": False, "collapse": False, "initial": True}


class Look(NamedTuple):
    """What an element passes on to all that is in it."""

    color: Color | None = _BLACK  # None: not known.
    # One of these is behind the text. Nothing: an image may be, and nobody knows how it looks.
    grounds: tuple[Color, ...] = (_WHITE,)
    size: float = 16.0  # Pixels.
    is_visible: bool = True  # As `visibility` says.
    opacity: float = 1.0
    spacing: float = 0.0  # Pixels between two letters.
    variables: Mapping[str, str] = {}

    @property
    def shows_text(self) -> bool:
        if not self.is_visible or self.size < _SEEN_SIZE:
            return False
        if self.spacing <= -self.size * _PILED_UP:
            return False
        if self.color is None:
            return True
        if self.color[3] < _SEEN_OPACITY:
            return False
        return not self.grounds or any(_differ(self.color, each) for each in self.grounds)

    def within(self, name: str, attributes: Mapping[str, str], said: Style) -> Look:
        """The look in an element of it, `said` being what counts for that in the end."""
        variables = self.variables
        if any(each.startswith("--") for each in said):
            own = {each: value for each, value in said.items() if each.startswith("--")}
            variables = {**variables, **own}
        size = style.font_size(said.get("font-size", ""), self.size)
        return Look(
            self._color(name, attributes, said),
            self._grounds(attributes, said),
            size,
            _UNDONE.get(said.get("visibility", ""), self.is_visible),
            self.opacity * _opacity(said),
            self._spacing(said.get("letter-spacing", ""), size),
            variables,
        )

    def _spacing(self, value: str, size: float) -> float:
        if value in ("normal", "initial"):
            return 0.0
        found = style.length(value, size, size)
        return self.spacing if found is None else found

    def _color(self, name: str, attributes: Mapping[str, str], said: Style) -> Color | None:
        value = said.get("text-fill-color") or said.get("color")
        if value is None:
            if name == "font" and "color" in attributes:
                value = attributes["color"]
            elif name == "body" and "text" in attributes:
                value = attributes["text"]
            else:
                return _BLUE if name == "a" and "href" in attributes else self.color
        if value in ("inherit", "unset", "currentcolor", "revert"):
            return self.color
        return _BLACK if value == "initial" else named(value)

    def _grounds(self, attributes: Mapping[str, str], said: Style) -> tuple[Color, ...]:
        value = said.get("background-color") or attributes.get("bgcolor") or ""
        image = said.get("background-image", "")
        found = color.colors(value)
        if not found and (plain := named(value)):
            found = [plain]
        found += color.colors(image) if image != value else []
        covering = tuple(each for each in found if each[3] >= _COVERS)
        if covering:
            return covering
        return () if "url(" in image or attributes.get("background") else self.grounds


def named(value: str) -> Color | None:
    """A colour as an attribute may say it, where `#` is often left out."""
    return color.color(value) or color.color(f"#{value.strip()}")


def _opacity(said: Style) -> float:
    opacity = style.length(said.get("opacity"), 1.0)
    return 1.0 if opacity is None else min(max(opacity, 0.0), 1.0)


def _differ(one: Color, other: Color) -> bool:
    return any(abs(a - b) >= _ALIKE for a, b in zip(one[:3], other[:3], strict=True))
