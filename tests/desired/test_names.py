import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.names import (
    Address,
    Domain,
    Glob,
    HookName,
    InvalidNameError,
    LocalPart,
    Owner,
    Selector,
    Slug,
)

LABEL = "a" * 63


@pytest.mark.parametrize(
    ("text", "ascii_form"),
    [
        pytest.param("a.com", "a.com", id="plain"),
        pytest.param("A.Com", "a.com", id="any case"),
        pytest.param(" a.com. ", "a.com", id="final dot and blanks"),
        pytest.param("xn--mnchen-3ya.de", "xn--mnchen-3ya.de", id="A-label"),
        pytest.param("MÜNCHEN.de", "xn--mnchen-3ya.de", id="U-label"),
        pytest.param("例え.jp", "xn--r8jz45g.jp", id="ideographs"),
        pytest.param("a。com。jp", "a.com.jp", id="ideographic dots"),
        pytest.param("1.2.example", "1.2.example", id="digits"),
        pytest.param(".".join([LABEL] * 3 + ["a" * 61]), None, id="253 characters"),
    ],
)
def test_a_domain_is_kept_in_lower_case_a_labels(text: str, ascii_form: str | None) -> None:
    assert str(Domain.parse(text)) == (ascii_form or text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "com",
        "a..com",
        ".a.com",
        "-a.com",
        "a-.com",
        "a_b.com",
        "a b.com",
        "a.com/",
        "a.com\n.",
        "a" * 64 + ".com",
        ".".join([LABEL] * 4),
        "é" * 300 + ".com",
        "*.com",
        "\N{ZERO WIDTH JOINER}.com",
    ],
)
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(InvalidNameError, match="is not a valid RFC 1035 hostname"):
        Domain.parse(text)


@pytest.mark.parametrize("text", ["info", "a.b", "a+b", "x" * 64, "postmaster", "a_b-c", "*"])
def test_a_lower_case_dot_atom_is_a_local_part(text: str) -> None:
    assert str(LocalPart.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "Info", ".a", "a.", "a..b", "a/b", "a b", '"a"', "é", "x" * 65, "a@b", "a\n"],
)
def test_what_is_no_dot_atom_is_no_local_part(text: str) -> None:
    with pytest.raises(InvalidNameError, match="is not a lower-case dot-atom"):
        LocalPart.parse(text)


@pytest.mark.parametrize("text", ["catchall", "aimx-catchall"])
def test_the_wildcards_folder_is_nobodys_local_part(text: str) -> None:
    with pytest.raises(InvalidNameError, match="is reserved for the wildcard"):
        LocalPart.parse(text)


@pytest.mark.parametrize("text", ["catchall", "aimx-catchall", "a+b", "*", "A", "..", ".a"])
def test_a_command_cannot_create_what_is_no_plain_name(text: str) -> None:
    with pytest.raises(InvalidNameError):
        LocalPart.commanded(text)


@pytest.mark.parametrize("text", ["info", "a.b", "a_b-1", "postmaster"])
def test_a_command_creates_plain_names(text: str) -> None:
    assert str(LocalPart.commanded(text)) == text


@pytest.mark.parametrize(
    ("text", "normal", "folder", "is_catchall"),
    [
        pytest.param("info@A.com", "info@a.com", "info", False, id="mailbox"),
        pytest.param("*@a.com", "*@a.com", "catchall", True, id="catchall"),
        pytest.param("a*@a.com", "a*@a.com", "a*", False, id="star inside"),
    ],
)
def test_an_address_knows_its_folder(
    text: str, normal: str, folder: str, is_catchall: bool
) -> None:
    address = Address.parse(text)

    assert (str(address), address.folder, address.is_catchall) == (normal, folder, is_catchall)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize("text", ["", "info", "@a.com", "info@", "a@b@c.com", "info@com"])
def test_half_an_address_is_none(text: str) -> None:
    with pytest.raises(InvalidNameError):
        Address.parse(text)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (Owner, "alice"),
        (Owner, "_a-1"),
        (Owner, "host$"),
        (Owner, "a" * 32),
        (Owner, "a" * 31 + "$"),
        (Slug, "0-a"),
        (Slug, "a" * 63),
        (Selector, "s2025"),
        (Selector, "_a.b-c"),
        (HookName, "A.b-c_d"),
        (HookName, "0" * 128),
    ],
)
def test_a_word_is_kept_as_it_is(word: type[Owner], text: str) -> None:
    assert str(word.parse(text)) == text


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (Owner, ""),
        (Owner, "Alice"),
        (Owner, "1a"),
        (Owner, "a b"),
        (Owner, "a$b"),
        (Owner, "alice\n"),
        (Owner, "a" * 33),
        (Owner, "a" * 32 + "$"),
        (Slug, "a_b"),
        (Slug, "a/../b"),
        (Slug, "a\n"),
        (Slug, "a" * 64),
        (Selector, "S1"),
        (Selector, "a..b"),
        (Selector, "a" * 64),
        (HookName, "-a"),
        (HookName, ".a"),
        (HookName, "0" * 129),
    ],
)
def test_a_word_is_matched_whole(word: type[Owner], text: str) -> None:
    with pytest.raises(InvalidNameError, match="must match"):
        word.parse(text)


@pytest.mark.parametrize(
    ("pattern", "address", "fits"),
    [
        pytest.param("*@company.com", "bob@company.com", True, id="a whole domain"),
        pytest.param("*@COMPANY.com", "Bob@Company.Com", True, id="case never matters"),
        pytest.param("*@company.com", "bob@sub.company.com", False, id="not its subdomains"),
        pytest.param("*@*.company.com", "bob@sub.company.com", True, id="its subdomains"),
        pytest.param("*@company.com", "bob@evil.com@company.com", False, id="not over an @"),
        pytest.param("*", "bob@company.com", False, id="a star alone"),
        pytest.param("bo?@company.com", "bob@company.com", True, id="one character"),
        pytest.param("bob?@company.com", "bob@company.com", False, id="no character"),
        pytest.param("b*b@*", "bob@company.com", True, id="stars inside"),
        pytest.param("b*c@*", "bob@company.com", False, id="other end"),
        pytest.param("[ab]*@a.com", "ax@a.com", False, id="brackets are themselves"),
        pytest.param("*@münchen.de", "a@xn--mnchen-3ya.de", True, id="U-label"),
        pytest.param("*@company.com", "bob@company.com.evil.example", False, id="not a prefix"),
        ("k@a.com", "K@a.com", True),
        ("k@a.com", "\N{KELVIN SIGN}@a.com", False),
    ],
)
def test_a_glob_is_over_the_whole_address(pattern: str, address: str, fits: bool) -> None:
    assert Glob.parse(pattern).matches(address) is fits


@given(st.text("ab*?@", min_size=1, max_size=8))
def test_a_glob_without_wildcards_matches_itself_alone(text: str) -> None:
    plain = text.replace("*", "a").replace("?", "b")

    assert Glob.parse(plain).matches(plain)
    assert not Glob.parse(plain).matches(plain + "a")


def test_a_hostile_address_cannot_make_a_glob_slow() -> None:
    assert not Glob.parse("*a" * 100 + "b@c.com").matches("a" * 5000 + "@c.com")


@given(st.text(max_size=40))
def test_a_domain_parses_to_itself_or_not_at_all(text: str) -> None:
    try:
        domain = Domain.parse(text)
    except InvalidNameError:
        return

    assert Domain.parse(str(domain)) == domain
