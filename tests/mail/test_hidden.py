"""Text that its sender hides from people is not shown to whoever reads the Markdown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.mail.hidden import without
from aimx.mail.markdown import Converted, markdown

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
    "class": '<style>b, .pre{display:none}</style><span class="a pre">secret</span>',
    "id": "<style>#pre{opacity:0}</style><div id=pre>secret</div>",
    "second-rule": "<style>@media x{.a{color:red}} .b{display:none}</style><p class=b>secret</p>",
    "title-in-the-text": "<title>secret</title>",
    "closed-dialog": "<dialog>secret</dialog>",
    "with-others-in-it": '<div style="opacity:0"><b><a href="http://x.example">secret</a></b></div>',
    "behind-a-mark-in-quotes": '<p title="a>b" style="opacity:0">secret</p>',
    "comment": "<!-- secret -->",
    "white-on-the-page": '<font color="#ffffff">secret</font>',
    "nearly-white": '<span style="color:#fdfefe">secret</span>',
    "white-in-another-notation": '<span style="color:hsl(0 0% 100%)">secret</span>',
    "on-the-ground-of-a-table": (
        '<table bgcolor="#123456"><tr><td><p style="color:#123457">secret</p></td></tr></table>'
    ),
    "on-the-ground-of-a-class": (
        "<style>.a{background:navy}.b{color:navy}</style><div class=a><i class=b>secret</i></div>"
    ),
    "on-a-gradient-of-its-own-color": (
        '<p style="background:linear-gradient(#fff,#fefefe);color:white">secret</p>'
    ),
    "clear-letters": '<p style="color:#00000003">secret</p>',
    "filled-with-nothing": '<p style="-webkit-text-fill-color:transparent">secret</p>',
    "no-size-in-short": '<p style="font:0/0 a">secret</p>',
    "small-part-of-small": '<p style="font-size:4px"><b style="font-size:.2em">secret</b></p>',
    "every-medium": "<style>@media screen{.a{display:none}}</style><p class=a>secret</p>",
    "every-width": (
        "<style>@media (min-width:1px) and (max-width:99999px){.a{display:none}}</style>"
        "<p class=a>secret</p>"
    ),
    "not-print": "<style>@media not print{.a{display:none}}</style><p class=a>secret</p>",
    "what-is-supported": (
        "<style>@supports(display:block){@layer x{.a{display:none}}}</style><p class=a>secret</p>"
    ),
    "brace-in-a-string": """<style>.a{content:"}";display:none}</style><p class=a>secret</p>""",
    "semicolon-in-a-string": """<p style='display:none;font-family:";display:block"'>secret</p>""",
    "below-another-class": "<style>.a i{display:none}</style><p class=a><i>secret</i></p>",
    "child": "<style>div>.a+b{display:none}</style><div><i class=a></i><b>secret</b></div>",
    "attribute-in-a-rule": "<style>[data-x^=y]{opacity:0}</style><p data-x=yz>secret</p>",
    "not-another": "<style>b:not(.c){display:none}</style><b>secret</b>",
    "counted": "<style>b:nth-child(2n+1){display:none}</style><b>secret</b>",
    "rule-in-a-rule": "<style>.a{& b{display:none}}</style><p class=a><b>secret</b></p>",
    "variable": (
        "<style>.a{--x:none}.b{display:var(--x)}</style><p class=a><b class=b>secret</b></p>"
    ),
    "escaped-class": r"<style>.\61{display:none}</style><p class=a>secret</p>",
    "of-greater-weight": (
        "<style>#a{display:none}.b{display:block}</style><p id=a class=b>secret</p>"
    ),
    "unknown-element": "<style>x-y{display:none}</style><x-y>secret</x-y>",
    "faint-in-faint": '<p style="opacity:.3"><b style="opacity:.3">secret</b></p>',
    "filtered": '<p style="filter:opacity(0%)">secret</p>',
    "cut-to-nothing": '<p style="clip-path:inset(50%)">secret</p>',
    "cut-from-one-side": '<p style="clip-path:inset(0 100% 0 0)">secret</p>',
    "cut-from-two-sides": '<p style="clip-path:inset(60% 0 40%)">secret</p>',
    "behind-a-mask": '<p style="-webkit-mask:linear-gradient(transparent,#0000)">secret</p>',
    "behind-the-image-of-a-mask": (
        '<p style="mask-image:linear-gradient(#0000,#0000)"><b>secret</b></p>'
    ),
    "letters-on-one-another": '<p style="letter-spacing:-1em"><b>secret</b></p>',
    "letters-far-back": '<p style="letter-spacing:-99px">secret</p>',
    "mixed-from-white": '<p style="color:color-mix(in srgb, white 99%, black)">secret</p>',
    "mixed-with-itself": '<p style="color:color-mix(in oklab, #fff, rgb(99% 99% 99%))">secret</p>',
    "mixed-with-nothing": '<p style="color:color-mix(in srgb, red 1%, transparent)">secret</p>',
    "cut-to-a-point": '<p style="clip-path:polygon(0 0,0 0,0 0)">secret</p>',
    "indented-out-of-its-box": (
        '<p style="text-indent:100%;white-space:nowrap;overflow:hidden">secret</p>'
    ),
    "moved-away": '<p style="transform:translateX(-200vw)">secret</p>',
    "far-to-the-right": '<p style="position:fixed;left:99999px">secret</p>',
    "far-by-its-margin": '<p style="margin:0 0 0 -9999px">secret</p>',
    "calculated": '<p style="height:calc(1px - 1px);overflow:hidden">secret</p>',
    "white-as-it-is-measured": '<p style="color:lab(100 0 0)">secret</p>',
    "white-as-it-is-seen": '<p style="color:oklch(99% 0 0)">secret</p>',
    "white-by-light": '<p style="color:color(srgb-linear .99 1 1)">secret</p>',
    "white-of-a-wide-space": '<p style="color:color(display-p3 1 1 1)">secret</p>',
    "white-in-the-light": '<p style="color:light-dark(white, black)">secret</p>',
    "blue-on-blue": '<p style="background:oklch(.452 .313 264);color:#00f">secret</p>',
    "on-a-gradient-as-it-is-measured": (
        '<p style="background:linear-gradient(lab(0 0 0), lab(2 0 0))">secret</p>'
    ),
    "grey-on-grey": '<p style="background:#5e5e5e;color:lab(40 0 0)">secret</p>',
    "dark-on-black": '<p style="background:#000;color:#0f0f0f">secret</p>',
    "least-size": '<p style="font-size:min(0px, 12px)">secret</p>',
    "largest-size": '<p style="font-size:max(0px, 1px)">secret</p>',
    "size-in-bounds": '<p style="font-size:clamp(0px, 20px, 1px)">secret</p>',
    "turned-by-itself": '<p style="rotate:x 90deg">secret</p>',
    "turned-another-way": '<p style="rotate:90deg y">secret</p>',
    "instead-of-a-bar": "<progress>secret</progress><meter>secret</meter>",
    "turned": '<p style="transform:rotateX(90deg)">secret</p>',
    "scaled-otherwise": '<p style="scale:0">secret</p>',
    "slash-for-a-blank": "<p/style=display:none>secret</p>",
    "end-that-ends-nothing": '<p style="display:none">x</span></b>secret</p>',
    "end-of-what-is-outside": '<div style="display:none"><table><td></div>secret</table></div>',
    "end-within-a-block": "<span style=display:none><div>x</span>secret</div></span>",
    "block-in-bold": ("<div style=display:none><b><div>x</b>y</div>secret</div>"),
    "link-in-a-block-in-a-link": (
        "<div style=display:none><a><div>x<a>y</a></div>secret</a></div>"
    ),
    "what-goes-on-in-the-next-paragraph": ('<p><b style="display:none">x</p><p>secret</b></p>'),
    "what-goes-on-behind-its-parent": '<i><b style="opacity:0">x</i>secret</b>',
    "paragraph-within": "<div style=display:none><p>x<p>secret</div>",
    "cell-without-an-end": "<table><tr><td style=display:none>secret<tr></table>",
    "attribute-without-an-end": '<p title="secret',
    "short-comment": "<!--><!-- secret -->",
    "bogus-comment": "<!secret><?secret?></ secret>",
    "script-in-a-script": "<script><!--<script></script>secret--></script>",
    "instead-of-frames": "<noframes>secret</noframes><noembed>secret</noembed>",
    "instead-of-a-film": "<video>secret</video><audio>secret</audio><canvas>secret</canvas>",
    "choices": "<datalist><option>secret</datalist>",
    "image-of-a-dot": '<img src="https://x.example/" width=1 height=1 alt="secret">',
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
    "shown-again": (
        '<style>.a{display:none}</style><p class=a style="display:block!important">told</p>'
    ),
    "shown-within-invisible": (
        '<p style="visibility:hidden"><b style="visibility:visible">told</b></p>'
    ),
    "white-on-dark": '<table bgcolor=black><tr><td style="color:#fff">told</td></tr></table>',
    "white-on-an-image": '<td background="x.png" style="color:#fff">told</td>',
    "for-programs-that-read-aloud": '<p aria-hidden="true">told</p>',
    "hidden-in-one-program": '<p style="mso-hide:all">told</p>',
    "on-paper": "<style>@media print{.a{display:none}}</style><p class=a>told</p>",
    "on-a-telephone": (
        "<style>@media only screen and (max-width:600px){.a{display:none!important}}</style>"
        "<p class=a>told</p>"
    ),
    "under-the-pointer": "<style>.a:hover{display:none}</style><p class=a>told</p>",
    "behind-a-comment": "<p>a</p><!-- x --> told",
    "after-the-end-of-what-went-on": "<p><b style=display:none>x</p><p></b>told</p>",
    "after-a-cell": "<table><tr><td><b style=display:none>x<td>told</table>",
    "heading-after-a-paragraph": "<p style=display:none>x<h1>told</h1>",
    "after-what-was-hidden": "<p style=display:none>x<p>told",
    "row-after-a-hidden-one": "<table><tr hidden><td>x<tr><td>told</table>",
    "without-scripts": "<noscript>told</noscript>",
    "in-a-form": "<form><p>told</p></form>",
    "less-than": "<p style=x>1 < 2 told</p>",
    "grey-as-it-is-measured": '<p style="color:lab(40 0 0)">told</p>',
    "grey-as-it-is-seen": '<p style="color:oklch(55% 0 0)">told</p>',
    "red-of-a-wide-space": '<p style="color:color(display-p3 1 0 0)">told</p>',
    "half-the-light": '<p style="color:color(srgb-linear .2 .2 .2)">told</p>',
    "black-in-the-light": '<p style="color:light-dark(black, white)">told</p>',
    "larger-size": '<p style="font-size:max(0px, 12px)">told</p>',
    "lesser-size": '<p style="font-size:min(20px, 12px)">told</p>',
    "size-within-bounds": '<p style="font-size:clamp(12px, 1px, 20px)">told</p>',
    "size-below-its-bound": '<p style="font-size:clamp(0px, 12px, 20px)">told</p>',
    "size-of-an-unknown-unit": '<p style="font-size:min(9zz, 1px)">told</p>',
    "turned-in-its-plane": '<p style="rotate:90deg">told</p>',
    "turned-a-little": '<p style="rotate:x 9deg">told</p>',
    "cut-a-little": '<p style="clip-path:inset(5% 10% 40% round 50%)">told</p>',
    "mask-that-fades": '<p style="mask:linear-gradient(black,transparent)">told</p>',
    "mask-of-an-image": '<p style="mask-image:url(x.png)">told</p>',
    "no-mask": '<p style="mask:none">told</p>',
    "letters-close-to-one-another": '<p style="letter-spacing:-.05em">told</p>',
    "letters-drawn-apart-again": (
        '<p style="letter-spacing:-1em"><b style="letter-spacing:normal">told</b></p>'
    ),
    "mixed-half-and-half": '<p style="color:color-mix(in srgb, white, black)">told</p>',
    "mixed-from-what-nobody-knows": '<p style="color:color-mix(in srgb, white, x)">told</p>',
    "share-that-is-no-number": '<font color="color-mix(in srgb, red 1.2.3%, blue)">told</font>',
    "near": '<div style="position:absolute;left:-9px">told</div>',
}


@pytest.mark.parametrize("html", HIDDEN.values(), ids=HIDDEN)
def test_hidden_text_is_not_shown_as_visible(html: str) -> None:
    assert markdown(f"<p>seen</p>{html}").text == "seen\n"


@pytest.mark.parametrize("html", SHOWN.values(), ids=SHOWN)
def test_what_is_seen_is_kept(html: str) -> None:
    assert "told" in markdown(f"<p>seen</p>{html}").text


@pytest.mark.parametrize("before", ["", "<p style='color:red'>seen</p>"], ids=["plain", "styled"])
@pytest.mark.parametrize(
    "name", ["nav", "aside", "header", "footer", "main", "menu", "form", "noscript", "center"]
)
def test_what_pages_have_around_their_text_is_text_in_mail(name: str, before: str) -> None:
    html = (
        f"{before}<{name} class='nav menu sidebar' role=navigation>told <a href=x>too</a></{name}>"
    )

    assert "told [too](x)" in markdown(html).text


def test_of_what_is_hidden_nothing_is_left_to_see() -> None:
    html = '<p title="secret">seen</p><a href="x" title="secret">too</a><q cite="secret">and</q>'

    assert "secret" not in markdown(html).text


def test_what_is_said_last_of_the_whole_body_counts_from_its_beginning() -> None:
    html = "<html><body>secret<b style='color:blue'>seen</b></body></html><body text=white>"

    assert markdown(html).text == "**seen**\n"


ATTACKS = {
    "nested-elements": "<div style=x>" * 20_000,
    "nested-sheets": "<style>" + "@media all{" * 20_000,
    "what-goes-on-and-on": (
        f"<p style=x>{''.join(f'<b x={n}>' for n in range(400))}</p>" + "<p>a</p>" * 9000
    ),
    "too-many-rules": "<style>" + "b b b b b i{opacity:0}" * 2_000 + "</style>" + "<b><i>" * 200,
    "too-much-style": "<style>" + "a{color:red}" * 20_000 + "</style>",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("html", ATTACKS.values(), ids=ATTACKS)
def test_what_cannot_be_judged_within_bounds_is_not_shown(html: str) -> None:
    assert markdown(html + "secret") == Converted("", complete=False)


@given(st.text(alphabet="<>/ap \"'=style:;{}.#\\!-", max_size=80))
def test_what_is_seen_is_seen_again(source: str) -> None:
    seen = without(source)

    assert without(seen) == seen
