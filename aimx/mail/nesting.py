"""Which elements a tag of HTML ends, also where it does not say so (WHATWG HTML 13.2.6).

As much of it as decides whether text is within an element. Where a browser would move text to
another place (out of a table), it stays where it stands.
"""

from __future__ import annotations

VOID = frozenset(
    (
        *("area", "base", "basefont", "bgsound", "br", "col", "command", "embed", "frame", "hr"),
        *("img", "input", "keygen", "link", "meta", "param", "source", "track", "wbr"),
    )
)
# What has no element of its own here: a document has one of each, whatever is written.
UNNESTED = frozenset(("html", "head", "body", "frameset"))

_TABLE = frozenset(["caption", "colgroup", "table", "tbody", "td", "tfoot", "th", "thead", "tr"])
# No end tag from within reaches what is outside of these.
SCOPE = frozenset(
    (
        *("applet", "caption", "marquee", "object", "table", "td", "template", "th"),
        *("foreignobject",),
    )
)
# These go on in the next paragraph, until their own end tag.
FORMATTING = frozenset(
    (
        *("a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong"),
        *("tt", "u"),
    )
)
_CLOSES_PARAGRAPH = frozenset(
    (
        *("address", "article", "aside", "blockquote", "center", "details", "dialog", "dir"),
        *("div", "dl", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3"),
        *("h4", "h5", "h6", "header", "hgroup", "hr", "li", "dd", "dt", "main", "menu", "nav"),
        *("ol", "p", "plaintext", "pre", "search", "section", "summary", "table", "ul", "xmp"),
    )
)
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
# An end tag of any other name is without effect where one of these is open within its element.
SPECIAL = (
    _CLOSES_PARAGRAPH | SCOPE | _TABLE | frozenset(["button", "iframe", "select", "noscript"])
) - {"foreignobject"}

# What each start tag ends, searching outwards, and what it does not search beyond.
_ITEM_STOPS = SPECIAL - {"address", "div", "p", "li", "dd", "dt"}
_ENDED: dict[str, tuple[tuple[frozenset[str], frozenset[str]], ...]] = {
    "li": ((frozenset({"li"}), _ITEM_STOPS | {"dd", "dt"}),),
    **dict.fromkeys(("dd", "dt"), ((frozenset({"dd", "dt"}), _ITEM_STOPS | {"li"}),)),
    "option": ((frozenset({"option"}), SPECIAL),),
    "optgroup": ((frozenset({"option", "optgroup"}), SPECIAL),),
    "button": ((frozenset({"button"}), SCOPE),),
    **dict.fromkeys(_HEADINGS, ((_HEADINGS, SPECIAL - _HEADINGS),)),
}
# A part of a table ends all that is open within the part that it belongs into.
_BELONGS_IN: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        ("td", "th"), frozenset(("tr", "tbody", "thead", "tfoot", "table", "template"))
    ),
    "tr": frozenset(("tbody", "thead", "tfoot", "table", "template")),
    **dict.fromkeys(
        ("tbody", "thead", "tfoot", "caption", "colgroup"), frozenset(("table", "template"))
    ),
}


def ended_by_start(name: str, opened: list[str]) -> tuple[int, int]:
    """Which places a start tag of this name closes: from the first up to the second."""
    if (parts := _BELONGS_IN.get(name)) is not None:
        return _within(parts, opened), len(opened)
    if name in ("a", "nobr"):
        return _formatting(name, opened)
    end = len(opened)
    if name in _CLOSES_PARAGRAPH:
        end = _nearest(frozenset({"p"}), SCOPE | {"button"}, opened)
    for names, stops in _ENDED.get(name, ()):
        end = min(end, _nearest(names, stops, opened[:end]))
    return end, len(opened)


def ended_by_end(name: str, opened: list[str]) -> tuple[int, int]:
    """Which places an end tag of this name closes: from the first up to the second."""
    if name in FORMATTING:
        return _formatting(name, opened)
    if name in _HEADINGS:
        names, stops = _HEADINGS, SCOPE
    elif name in _TABLE:
        names, stops = frozenset({name}), frozenset({"template", "table"}) - {name}
    elif name in SPECIAL:
        names, stops = frozenset({name}), SCOPE - {name}
    else:
        names, stops = frozenset({name}), SPECIAL
    return _nearest(names, stops, opened), len(opened)


def _formatting(name: str, opened: list[str]) -> tuple[int, int]:
    at = _nearest(frozenset({name}), SCOPE, opened)
    if not SPECIAL.isdisjoint(opened[at:]):
        return at, at + 1  # What is open within it stays open, and is no longer within it.
    return at, len(opened)


def _nearest(names: frozenset[str], stops: frozenset[str], opened: list[str]) -> int:
    for at in range(len(opened) - 1, -1, -1):
        if opened[at] in names:
            return at
        if opened[at] in stops:
            break
    return len(opened)


def _within(parts: frozenset[str], opened: list[str]) -> int:
    """Behind the innermost of these parts; outside of every table nothing is ended."""
    at = next((at for at in range(len(opened) - 1, -1, -1) if opened[at] in parts), -1)
    return at + 1 if at >= 0 else len(opened)
