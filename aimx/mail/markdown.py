"""HTML -> Markdown, with its links kept and without what a browser would not show."""

from __future__ import annotations

import re

from html_to_markdown import ConversionError, ConversionOptions, PreprocessingOptions, convert

from aimx.mail import hidden
from aimx.mail.sheet import ObscureError
from desired.frozen import frozen

# Characters of a message that are converted, at 0.1 to 0.7 microseconds each. Hostile HTML costs
# more, and more than in proportion; half a second at most with this.
LIMIT = 256 * 1024

_OPTIONS = ConversionOptions(
    # A title block would stand where the frontmatter ends, and look like one.
    extract_metadata=False,
    inline_data_media="alt_text_only",
    hidden_content="drop",
    # It would take out what pages have around their text, by its elements' names: a message whose
    # text is in a <header> or a <nav> has no other.
    preprocessing=PreprocessingOptions(enabled=False),
)
# Elements that show what is within them, and nothing is.
_EMPTY = re.compile(
    r"(?:\s|&nbsp;|&#160;|<!doctype\b[^<>]*>"
    r"|</?(?:html|head|meta|body|div|span|p|br|font|b|i|u|strong|em|center|o:p)\b[^<>]*>)*+",
    re.IGNORECASE,
)


@frozen
class Converted:
    text: str
    complete: bool = True  # False: there is more in the HTML than in the text.


def markdown(html: str, limit: int = LIMIT) -> Converted:
    """HTML that cannot be converted stands for itself, as far as the limit."""
    if not limit:
        return Converted("", complete=False)
    try:
        seen = hidden.without(html[:limit])
    except ObscureError:
        # Better nothing than what perhaps no person sees.
        return Converted("", complete=False)
    try:
        result = convert(seen, _OPTIONS)
    except ConversionError:
        return Converted(seen, complete=False)
    if result.warnings:
        # It has skipped what was nested too deeply, and perhaps all.
        return Converted(result.content or seen, complete=False)
    text = result.content or ""
    # Something of which nothing is seen may still hold what its reader wants.
    return Converted(text, complete=len(html) <= limit and (bool(text) or _is_empty(html)))


def _is_empty(html: str) -> bool:
    """What agents write where nobody has written anything."""
    return bool(_EMPTY.fullmatch(html))
