"""Markdown to HTML that a mail reader may show: CommonMark with tables and a few more.

Raw HTML in the source is text. What comes out has passed a sanitiser, and its styles are inline,
since mail readers drop style sheets.
"""

from __future__ import annotations

from functools import cache

import nh3
from css_inline import CSSInliner
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin

from aimx.outbound import autolinks

LARGEST_SOURCE = 5 * 1024 * 1024  # Octets.
# Characters of a paragraph, an item or a cell that are read for emphasis and links. The reader
# takes time quadratic in them: nobody writes so much without a blank line, but to keep it busy.
LONGEST_PARAGRAPH = 20_000

_STYLE = """
body { font-family: -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; font-size: 15px;
       line-height: 1.5; color: #1f2328; }
h1 { font-size: 1.6em; margin: 0.8em 0 0.4em; }
h2 { font-size: 1.35em; margin: 0.8em 0 0.4em; }
h3 { font-size: 1.15em; margin: 0.8em 0 0.4em; }
h4, h5, h6 { font-size: 1em; margin: 0.8em 0 0.4em; }
p { margin: 0 0 0.8em; }
ul, ol { margin: 0 0 0.8em; padding-left: 1.6em; }
blockquote { margin: 0 0 0.8em; padding: 0 0.9em; color: #59636e; border-left: 3px solid #d1d9e0; }
pre { margin: 0 0 0.8em; padding: 0.8em; background: #f6f8fa; overflow: auto; }
code { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 0.9em; }
table { border-collapse: collapse; margin: 0 0 0.8em; }
th, td { border: 1px solid #d1d9e0; padding: 0.3em 0.7em; }
th { background: #f6f8fa; }
hr { border: 0; border-top: 1px solid #d1d9e0; margin: 1.2em 0; }
img { max-width: 100%; }
a { color: #0969da; }
"""

_TAGS = {
    *("h1", "h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "blockquote", "pre", "code"),
    *("ul", "ol", "li", "strong", "em", "s", "a", "img", "section", "sup"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_ALIGNMENT = {"style"}  # Tables write their alignment so; only that property passes.
_ATTRIBUTES = {
    "a": {"href", "title", "id"},
    "img": {"src", "alt", "title"},
    "ol": {"start"},
    "li": {"id"},
    "th": _ALIGNMENT,
    "td": _ALIGNMENT,
}
_BOX = {"[ ] ": "\u2610 ", "[x] ": "\u2611 ", "[X] ": "\u2611 "}


def html(source: str) -> str:
    """The source as a whole HTML document. Touches nothing outside it, the network least."""
    fragment = _sanitiser().clean(_reader().render(source))
    return _styler().inline(
        f'<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>{fragment}</body></html>'
    )


@cache
def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    reader.use(footnote_plugin)
    reader.core.ruler.at("inline", _inline)
    reader.core.ruler.after("inline", "tasks", _tasks)
    reader.core.ruler.push("autolinks", _addresses)
    return reader


@cache
def _sanitiser() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        filter_style_properties={"text-align"},
        url_schemes={"http", "https", "mailto", "tel", "cid"},
        link_rel=None,
    )


@cache
def _styler() -> CSSInliner:
    return CSSInliner(extra_css=_STYLE, load_remote_stylesheets=False)


def _inline(state: StateCore) -> None:
    """The reader's own rule, but that text of more than `LONGEST_PARAGRAPH` stays as it is."""
    for token in state.tokens:
        if token.type != "inline":
            continue
        token.children = []
        if len(token.content) <= LONGEST_PARAGRAPH:
            state.md.inline.parse(token.content, state.md, state.env, token.children)
        else:
            token.children.append(Token("text", "", 0, content=token.content))


def _addresses(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline" and len(token.content) <= LONGEST_PARAGRAPH:
            token.children = list(autolinks.linked(token.children or (), state.md))


def _tasks(state: StateCore) -> None:
    """GFM 5.3: an item that begins with a box. Readers drop form fields, so it is a character."""
    for item, paragraph, line in zip(
        state.tokens, state.tokens[1:], state.tokens[2:], strict=False
    ):
        if item.type == "list_item_open" and paragraph.type == "paragraph_open":
            _tick(line)


def _tick(line: Token) -> None:
    box = _BOX.get(line.content[:4])
    if box and line.children and line.children[0].content.startswith(line.content[:4]):
        line.children[0].content = box + line.children[0].content[4:]
