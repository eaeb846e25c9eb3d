import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.outbound import markdown


def bare(source: str) -> str:
    """The body without styles, and without the line ends between elements."""
    document = re.sub(r' style="[^"]*"', "", markdown.html(source))
    body = document.partition("<body>")[2].partition("</body>")[0]
    return re.sub(r">\n+<", "><", body).strip()


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        pytest.param(
            "*a* **b** `c`", "<p><em>a</em> <strong>b</strong> <code>c</code></p>", id="inline"
        ),
        pytest.param("~~a~~", "<p><s>a</s></p>", id="strikethrough"),
        pytest.param("- [ ] a\n- [x] b", "<ul><li>☐ a</li><li>☑ b</li></ul>", id="tasks"),
        pytest.param("[x] a", "<p>[x] a</p>", id="a-box-outside-a-list"),
        pytest.param(
            "|a|\n|-|\n|b|",
            "<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>b</td></tr></tbody></table>",
            id="table",
        ),
        pytest.param(
            "<https://x.example/?a=1&b=2>",
            '<p><a href="https://x.example/?a=1&amp;b=2">https://x.example/?a=1&amp;b=2</a></p>',
            id="autolink",
        ),
        pytest.param("3. a", '<ol start="3"><li>a</li></ol>', id="start-of-a-list"),
    ],
)
def test_markdown_is_rendered(source: str, shown: str) -> None:
    assert bare(source) == shown


GFM = "http://www.commonmark.org"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        # The examples of GFM 6.9, by their numbers.
        pytest.param("www.commonmark.org", f'<a href="{GFM}">www.commonmark.org</a>', id="622"),
        pytest.param(
            "Visit www.commonmark.org/help for more information.",
            f'Visit <a href="{GFM}/help">www.commonmark.org/help</a> for more information.',
            id="623",
        ),
        pytest.param(
            "Visit www.commonmark.org.\n\nVisit www.commonmark.org/a.b.",
            f'Visit <a href="{GFM}">www.commonmark.org</a>.</p>'
            f'<p>Visit <a href="{GFM}/a.b">www.commonmark.org/a.b</a>.',
            id="624",
        ),
        pytest.param(
            "(www.google.com/search?q=Markup+(business))",
            '(<a href="http://www.google.com/search?q=Markup+(business)">'
            "www.google.com/search?q=Markup+(business)</a>)",
            id="625",
        ),
        pytest.param(
            "www.google.com/search?q=(business))+ok",
            '<a href="http://www.google.com/search?q=(business))+ok">'
            "www.google.com/search?q=(business))+ok</a>",
            id="626",
        ),
        pytest.param(
            "www.google.com/search?q=commonmark&hl;",
            '<a href="http://www.google.com/search?q=commonmark">'
            "www.google.com/search?q=commonmark</a>&amp;hl;",
            id="627",
        ),
        pytest.param(
            "www.commonmark.org/he<lp",
            f'<a href="{GFM}/he">www.commonmark.org/he</a>&lt;lp',
            id="628",
        ),
        pytest.param(
            "(Visit https://encrypted.google.com/search?q=Markup+(business))",
            '(Visit <a href="https://encrypted.google.com/search?q=Markup+(business)">'
            "https://encrypted.google.com/search?q=Markup+(business)</a>)",
            id="629",
        ),
        pytest.param("foo@bar.baz", '<a href="mailto:foo@bar.baz">foo@bar.baz</a>', id="630"),
        pytest.param(
            "hello@mail+xyz.example isn't valid, but hello+xyz@mail.example is.",
            "hello@mail+xyz.example isn't valid, but"
            ' <a href="mailto:hello+xyz@mail.example">hello+xyz@mail.example</a> is.',
            id="631",
        ),
        pytest.param("a.b-c_d@a.b", '<a href="mailto:a.b-c_d@a.b">a.b-c_d@a.b</a>', id="632"),
        pytest.param("a.b-c_d@a.b.", '<a href="mailto:a.b-c_d@a.b">a.b-c_d@a.b</a>.', id="632-dot"),
        pytest.param("a.b-c_d@a.b-", "a.b-c_d@a.b-", id="632-hyphen"),
        pytest.param("a.b-c_d@a.b_", "a.b-c_d@a.b_", id="632-underscore"),
        # And what is no example there.
        pytest.param(
            "*https://a.example/x_y_z*",
            '<em><a href="https://a.example/x_y_z">https://a.example/x_y_z</a></em>',
            id="emphasis",
        ),
        pytest.param(
            "[www.a.example](https://b.example)",
            '<a href="https://b.example">www.a.example</a>',
            id="in-a-link",
        ),
        pytest.param("`www.a.example`", "<code>www.a.example</code>", id="in-code"),
        pytest.param(
            "xwww.a.example http://localhost www.",
            "xwww.a.example http://localhost www.",
            id="none",
        ),
        pytest.param(
            "www.a_b.example https://a..b", "www.a_b.example https://a..b", id="no-domain"
        ),
        pytest.param(
            "me@localhost @a.example a@b..c", "me@localhost @a.example a@b..c", id="no-mail"
        ),
        pytest.param(
            "https://a.example/?q=javascript:x",
            '<a href="https://a.example/?q=javascript:x">https://a.example/?q=javascript:x</a>',
            id="within",
        ),
    ],
)
def test_an_address_is_a_link_as_it_stands(source: str, shown: str) -> None:
    assert bare(source) == f"<p>{shown}</p>"


def test_a_footnote_links_there_and_back() -> None:
    shown = bare("a[^1]\n\n[^1]: note")

    assert '<a href="#fn1" id="fnref1">[1]</a>' in shown
    assert '<li id="fn1"><p>note <a href="#fnref1">' in shown


def test_the_alignment_of_a_column_is_kept() -> None:
    assert "text-align: right" in markdown.html("|a|\n|-:|\n|b|")


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "![a](data:text/html,x)",
        "<javascript:alert(1)>",
        '[a](https://x.example "\\" onclick=alert(1) x=\\"")',
        "<style>body{background:url(https://x.example)}</style>",
        'https://x.example/"onclick=alert(1)',
        "https://x.example/'\"><script>alert(1)</script>",
        "javascript:https://x.example",
    ],
)
def test_nothing_in_the_source_becomes_active(source: str) -> None:
    shown = markdown.html(source)

    # What is left of it stands in text or in a quoted attribute.
    tags = re.findall(r"<(?:\"[^\"]*\"|[^\">])*>", shown)
    names = re.sub(r'"[^"]*"', "", " ".join(tags)).lower()
    links = re.findall(r'(?:href|src)="([^"]*)"', " ".join(tags))
    assert not re.search(r"script|onclick|onerror|<style", names)
    assert all(link.startswith("https://") for link in links)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "opened",
    ["^[", "![", "[a](", "*a_ ", "`` ", "www.a.b/)", "a.b@", "_a"],
)
def test_a_paragraph_of_nothing_but_beginnings_is_rendered_at_once(opened: str) -> None:
    # Looked through for their ends, some of them would take an hour.
    assert opened.strip() in markdown.html(opened * 100_000)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("opened", ["www.", "www.a.b/)", "www.a.b/&a;", "a.b@", "_a", "www.a.b ("])
def test_a_paragraph_of_nothing_but_addresses_is_rendered_at_once(opened: str) -> None:
    assert bare(opened * (markdown.LONGEST_PARAGRAPH // len(opened))).startswith("<p>")


def test_what_is_too_long_for_a_paragraph_is_shown_as_it_was_written() -> None:
    long = "**word** " * markdown.LONGEST_PARAGRAPH

    shown = bare(f"{long}\n\n**word**")

    assert shown.startswith("<p>**word** **word**")
    assert shown.endswith("<p><strong>word</strong></p>")


@given(st.text(alphabet="ab \n[]()<>*_`~#|-^!:\\&\"'", max_size=200))
def test_any_text_can_be_rendered(source: str) -> None:
    assert markdown.html(source).endswith("</html>")
