"""What a daemon plans for while it may let nothing go."""

import pytest

from desired import engine_config, manifest
from desired.problem import Source
from reconcilers.withheld import stricter, with_what_is_gone

HEAD = 'domains = ["a.com", "b.com"]\n'
INFO = '[mailboxes."info@a.com"]\nowner = "alice"\n'
OPS = '[mailboxes."ops@a.com"]\nowner = "bob"\n'
HOOK = '[[mailboxes."{}".hooks]]\nevent = "after_send"\ncmd = ["/bin/true"]\nname = "tell"\n'


def desired(text):
    return manifest.read([Source("m", text.encode())]).desired


def withheld(before, after):
    """What is planned for, as it is read back from the engine config."""
    kept = with_what_is_gone(desired(after), desired(before))
    read = manifest.read([Source("c", engine_config.render(kept, 1))]).desired
    assert read == kept
    return sorted(kept.mailboxes)


def test_a_block_that_removes_what_stays_is_left_out():
    block = '[[removed]]\naddress = "mailbox/info@a.com"\ndata = "delete"\n'

    assert withheld(HEAD + INFO + OPS, HEAD + OPS + block) == ["info@a.com", "ops@a.com"]


def test_what_stays_stands_where_it_stood_and_what_may_go_goes():
    before, let_go = desired(HEAD + INFO + OPS), frozenset({"mailbox/info@a.com"})

    assert list(with_what_is_gone(desired(HEAD + OPS), before).mailboxes) == [
        "info@a.com",
        "ops@a.com",
    ]
    assert list(with_what_is_gone(desired(HEAD), before, let_go).mailboxes) == ["ops@a.com"]


def test_where_nothing_was_applied_the_manifest_alone_says_what_is_done_unasked():
    assert stricter(desired(HEAD + '[controller]\nauto_apply = "all"\n'), None) == "all"


def test_what_moves_is_not_gone():
    block = '[[moved]]\nfrom = "mailbox/info@a.com"\nto = "mailbox/hello@b.com"\n'
    after = HEAD + OPS + INFO.replace("info@a", "hello@b") + block

    assert withheld(HEAD + INFO + OPS, after) == ["hello@b.com", "ops@a.com"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(INFO + OPS, OPS + 'aliases = ["info@a.com"]\n', id="alias of what stays"),
        pytest.param(
            INFO + 'aliases = ["x@a.com"]\n' + OPS, OPS + 'aliases = ["x@a.com"]\n', id="same alias"
        ),
        pytest.param(
            INFO + HOOK.format("info@a.com") + OPS, OPS + HOOK.format("ops@a.com"), id="same hook"
        ),
    ],
)
def test_what_would_contradict_what_stays_waits(before, after):
    assert withheld(HEAD + before, HEAD + after) == ["info@a.com", "ops@a.com"]


def test_an_edit_that_removes_loosens_no_guard_before_it_is_let_in():
    before = desired(HEAD + INFO + OPS + "[policy]\nmax_removals = 2\n")
    loose = '[policy]\nmax_removals = 100\n[controller]\nauto_apply = "all"\n'

    kept = with_what_is_gone(desired(HEAD + OPS + loose), before)
    other = with_what_is_gone(desired(HEAD + INFO + OPS + loose), before)

    assert (kept.policy.max_removals, kept.controller.auto_apply) == (2, "safe")
    assert (other.policy.max_removals, other.controller.auto_apply) == (100, "all")


@pytest.mark.parametrize(
    ("before", "after", "held"),
    [
        ("safe", "all", "safe"),
        ("none", "all", "none"),
        ("all", "safe", "safe"),
        ("all", "all", "all"),
    ],
)
def test_no_manifest_allows_itself_more_than_the_one_before(before, after, held):
    text = HEAD + '[controller]\nauto_apply = "{}"\n'

    assert stricter(desired(text.format(after)), desired(text.format(before))) == held
