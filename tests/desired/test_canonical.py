from collections.abc import Callable
from pathlib import Path

import pytest

from desired.canonical import canonical, short
from desired.manifest import Reading
from desired.names import Domain
from desired.problem import ManifestError, Source

Read = Callable[..., Reading]
DEFAULT = Domain("a.com")

OLDER = """\
domain = "A.com"  # Ours.

[mailboxes.info]  # For all.
owner = "alice"

[[mailboxes.info.hooks]]
type = "cmd"  # What else?
event = "on_receive"
cmd = ["/bin/true"]

[mailboxes]
bob.owner = "bob"

[mailboxes.catchall]
address = "*@a.com"
owner = "aimx-catchall"

[identities.eve]
name = "Eve"
url = "https://eve.example"
mailboxes = [
  "info",  # This one,
  "bob",
]
"""

FULL = """\
domains = ["A.com"]  # Ours.

[mailboxes."info@a.com"]  # For all.
owner = "alice"

[[mailboxes."info@a.com".hooks]]
# What else?
event = "on_receive"
cmd = ["/bin/true"]

[mailboxes]
"bob@a.com".owner = "bob"

[mailboxes."*@a.com"]
owner = "aimx-catchall"

[identities.eve]
name = "Eve"
url = "https://eve.example"
mailboxes = [
  "info@a.com",  # This one,
  "bob@a.com",
]
"""


def in_full(text: str) -> Source:
    return canonical(Source("manifest.toml", text.encode()), DEFAULT)


def test_older_shapes_are_written_in_full() -> None:
    assert in_full(OLDER).raw.decode() == FULL


def test_what_is_in_full_stays() -> None:
    assert in_full(FULL).raw.decode() == FULL


def test_in_full_it_means_the_same(reading: Read) -> None:
    assert reading(FULL).desired == reading(OLDER).desired


def test_an_older_manifest_with_its_comments_means_the_same(reading: Read) -> None:
    text = (Path(__file__).parent / "bad" / "legacy-single-domain.toml").read_text()
    text = text.replace("*@b.com", "*@a.com")

    assert reading(in_full(text).raw).desired == reading(text).desired


def test_overrides_are_no_older_shape() -> None:
    text = 'domains = ["a.com"]\ndomain = { "a.com" = { trust = "none" } }\n'

    assert in_full(text).raw.decode() == text


def test_what_stands_in_one_line_is_left_and_named() -> None:
    source = in_full('mailboxes = { info = { owner = "alice" } }\n')

    assert short(source) == (("mailboxes", "info"),)
    assert short(in_full(OLDER)) == ()


def test_a_text_that_is_no_toml_is_not_rewritten() -> None:
    with pytest.raises(ManifestError):
        in_full("a = [")
