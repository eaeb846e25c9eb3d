import re
from datetime import UTC, datetime

import pytest

from desired import engine_config, manifest
from desired.problem import Source
from reconcilers.drift import stated
from reconcilers.generations import Generation, Who
from reconcilers.report.comparison import compared, comparison_document, comparison_text

HEAD = 'domains = ["a.com"]\n'
INFO = '[mailboxes."info@a.com"]\nowner = "alice"\n'
OPS = '[mailboxes."ops@a.com"]\nowner = "alice"\n'
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def generation(number, **sources):
    files = tuple(Source(f"{name}.toml", text.encode()) for name, text in sources.items())
    desired = manifest.read(files).desired
    config = engine_config.headed(desired, number, engine_config.body(desired))
    return Generation(number, AT, Who(0, "root", "aimx apply"), files, config, b"{}", ())


def comparison(first, second):
    return compared(
        first, stated(first.config, first.number), second, stated(second.config, second.number)
    )


def test_what_came_went_and_changed_is_told_with_the_lines_that_did():
    first = generation(3, manifest=HEAD + INFO)
    second = generation(5, manifest=HEAD.replace('"a.com"', '"a.com", "b.com"') + OPS)

    assert comparison_text(comparison(first, second)).splitlines() == [
        "Generation 3: 2026-01-02T03:04:05Z by root through aimx apply",
        "Generation 5: 2026-01-02T03:04:05Z by root through aimx apply",
        "",
        "--- manifest.toml (generation 3)",
        "+++ manifest.toml (generation 5)",
        "@@ -1,3 +1,3 @@",
        '-domains = ["a.com"]',
        '-[mailboxes."info@a.com"]',
        '+domains = ["a.com", "b.com"]',
        '+[mailboxes."ops@a.com"]',
        ' owner = "alice"',
        "",
        "Resources:",
        "  - mailbox/info@a.com",
        "  + dkim/b.com/aimx",
        "  + domain/b.com",
        "  + mailbox/ops@a.com",
    ]


def test_what_moved_neither_came_nor_went():
    first = generation(1, manifest=HEAD + INFO)
    move = '[[moved]]\nfrom = "mailbox/info@a.com"\nto = "mailbox/ops@a.com"\n'
    second = generation(2, manifest=HEAD + OPS + move)

    found = comparison(first, second)
    told = comparison_document(found)

    assert comparison_text(found).endswith(
        "Resources:\n  > mailbox/ops@a.com was mailbox/info@a.com\n"
    )
    assert told["moved"] == [{"from": "mailbox/info@a.com", "to": "mailbox/ops@a.com"}]
    assert (told["came"], told["went"]) == ([], [])


def test_a_setting_is_told_before_and_after():
    first = generation(1, manifest=HEAD + INFO)
    second = generation(2, manifest=HEAD + INFO.replace("alice", "bob"))

    found = comparison_document(comparison(first, second))

    assert (found["came"], found["went"]) == ([], [])
    assert found["settings"] == [
        {"name": "mailboxes.info@a.com.owner", "before": "alice", "after": "bob"}
    ]


def test_a_comment_changes_the_text_and_no_resource():
    first = generation(1, manifest=HEAD + INFO)
    second = generation(2, manifest="# häme\n" + HEAD + INFO)

    told = comparison_text(comparison(first, second))

    assert "+# häme\n" in told
    assert told.endswith("Resources:\n  the same, and with the same settings\n")


def test_a_fragment_that_only_one_has_is_all_new():
    first = generation(1, manifest=HEAD)
    second = generation(2, manifest=HEAD, more=INFO)

    told = comparison_text(comparison(first, second))

    assert '\n@@ -0,0 +1,2 @@\n+[mailboxes."info@a.com"]\n' in told


def test_two_that_desire_the_same_are_told_in_one_line():
    first, second = generation(1, manifest=HEAD), generation(2, manifest=HEAD)

    found = comparison(first, second)

    assert found.is_none
    assert comparison_text(found) == "Generations 1 and 2 desire the same.\n"


def test_more_settings_than_a_plan_would_tell_are_all_told():
    boxes = "".join(f'[mailboxes."m{n}@a.com"]\nowner = "OWNER"\n' for n in range(60))
    first = generation(1, manifest=HEAD + boxes.replace("OWNER", "alice"))
    second = generation(2, manifest=HEAD + boxes.replace("OWNER", "bob"))

    assert len(comparison(first, second).settings) == 60


@pytest.mark.parametrize("text", ["# \u202e\u0007", "#\ta\u0085b"])
def test_a_manifest_cannot_move_the_cursor(text):
    first = generation(1, manifest=HEAD)
    # A control character is no legal TOML, and a record may hold it for all that.
    files = (Source("manifest.toml", f"{text}\n{HEAD}".encode()),)
    second = Generation(2, AT, first.who, files, first.config, b"{}", ())

    told = comparison_text(comparison(first, second))

    assert all(character.isprintable() or character in "\n\t" for character in told)


def test_a_comparison_in_colour_says_the_same():
    found = comparison(generation(1, manifest=HEAD + INFO), generation(2, manifest=HEAD + OPS))

    plain, coloured = (comparison_text(found, colour=colour) for colour in (False, True))

    assert "\x1b" not in plain
    assert "\x1b[32m  + mailbox/ops@a.com\x1b[0m" in coloured.splitlines()
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
