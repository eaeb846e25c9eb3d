"""Text that its sender hides from people is not shown to whoever reads the Markdown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.mail.hidden import marked
from aimx.mail.markdown import markdown

HIDDEN = {
    "display": '<p style="display:none">secret</p>',
    "important": '<p style="Display: NONE !important">secret</p>',
    "escaped-for-html": '<p style="display&#58;none">secret</p>',
    "escaped-for-css": r'<p style="d\69splay:none">secret</p>',
    "commented": '<p style="display:/* */none">secret</p>',
    "visibility": '<p style="visibility:hidden">secret</p>',
    "attribute": "<p hidden>secret</p>",
    "no-size": '<span style="font-size:0">secret</span>',
    "tiny": '<span style="font-size:1px">secret</span>',
    "transparent": '<div style="opacity: 0.0">secret</div>',
    "no-height": '<div style="max-height:0px;overflow:hidden">secret</div>',
    "no-room": '<div style="height:0;width:0;overflow:hidden">secret</div>',
    "far-away": '<div style="position:absolute;left:-9999px">secret</div>',
    "indented-away": '<p style="text-indent:-9999px">secret</p>',
    "clipped": '<p style="position:absolute;clip:rect(0, 0, 0, 0)">secret</p>',
    "scaled": '<p style="transform: scale(0)">secret</p>',
    "own-ground": '<span style="color:#fff;background-color:#fff">secret</span>',
    "no-color": '<span style="color:transparent">secret</span>',
    "class": '<style>p, .pre{display:none}</style><span class="a pre">secret</span>',
    "id": "<style>#pre{opacity:0}</style><div id=pre>secret</div>",
    "second-rule": "<style>@media x{.a{color:red}} .b{display:none}</style><p class=b>secret</p>",
    "title-in-the-text": "<title>secret</title>",
    "closed-dialog": "<dialog>secret</dialog>",
    "with-others-in-it": '<div style="opacity:0"><b><a href="http://x.example">secret</a></b></div>',
    "behind-a-mark-in-quotes": '<p title="a>b" style="opacity:0">secret</p>',
    "comment": "<!-- secret -->",
    "template": "<template>secret</template>",
}
SHOWN = {
    "plain": "<p>told</p>",
    "style": '<p style="color:red;display:block">told</p>',
    "reset-size": '<div style="font-size:0"><span style="font-size:14px">told</span></div>',
    "reset-ground": '<td style="color:#fff;background:#fff"><b style="color:#000">told</b></td>',
    "inherited": '<p style="color:inherit;background:inherit">told</p>',
    "no-height-but-all-is-shown": '<div style="height:0">told</div>',
    "only-on-some-screens": "<style>@media x{.a{display:none}}</style><p class=a>told</p>",
    "another-class": "<style>.a{display:none}</style><p class=b>told</p>",
    "below-another": "<style>.a .b{display:none}</style><p class=b>told</p>",
    "open-dialog": "<dialog open>told</dialog>",
    "text-about-style": "<p>told: use style=&quot;display:none&quot;</p>",
    "near": '<div style="position:absolute;left:-9px">told</div>',
}


@pytest.mark.parametrize("html", HIDDEN.values(), ids=HIDDEN)
def test_hidden_text_is_not_shown_as_visible(html: str) -> None:
    assert markdown(f"<p>seen</p>{html}").text == "seen\n"


@pytest.mark.parametrize("html", SHOWN.values(), ids=SHOWN)
def test_what_is_seen_is_kept(html: str) -> None:
    assert "told" in markdown(f"<p>seen</p>{html}").text


@given(st.text(alphabet="<>/ap \"'=style:;{}.#\\!-", max_size=80))
def test_nothing_but_marks_is_added(source: str) -> None:
    assert marked(source).replace(" hidden", "") == source.replace(" hidden", "")
