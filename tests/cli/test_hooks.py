"""`aimx hooks` as the operator of an instance types it, where no daemon runs."""

import pytest

from aimx.doors.exits import Exit

WORDS = ("--mailbox", "postmaster", "--event", "on_receive", "--cmd", '["/bin/true", "a b"]')


def create(instance, *words):
    return instance.run("hooks", "create", *WORDS, *words, "--yes")


def test_a_created_hook_is_in_the_manifest_and_applied(applied):
    before = applied.manifest.read_text()

    ended = create(applied, "--name", "notify", "--timeout-secs", "5", "--fire-on-untrusted")

    assert ended.exit == Exit.DONE
    assert ended.out.endswith("Hook created: notify\n")
    assert applied.manifest.read_text() == before + (
        '\n[[mailboxes."postmaster@example.com".hooks]]\nevent = "on_receive"\n'
        'cmd = ["/bin/true", "a b"]\nname = "notify"\ntimeout_secs = 5\nfire_on_untrusted = true\n'
    )
    assert "No changes." in applied.run("plan").out


def test_a_hook_without_a_name_has_the_one_that_it_is_deleted_by(applied):
    before = applied.manifest.read_text()
    name = create(applied).out.split()[-1]

    ended = applied.run("hook", "delete", name, "--yes")

    assert (ended.exit, ended.out.splitlines()[-1]) == (Exit.DONE, f"Hook deleted: {name}")
    assert applied.manifest.read_text().strip() == before.strip()


def test_of_two_hooks_the_one_that_is_meant_goes(applied):
    create(applied, "--name", "first")
    kept = applied.manifest.read_text()
    create(applied, "--name", "second", "--fire-on-untrusted")

    applied.run("hooks", "delete", "second", "--yes")

    assert applied.manifest.read_text().strip() == kept.strip()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(
            ("create", *WORDS, "--mailbox", "x"), "mailbox 'x' does not exist", id="no-mailbox"
        ),
        pytest.param(
            ("create", *WORDS, "--cmd", '["true"]'), "has non-absolute `cmd[0]`", id="no-path"
        ),
        pytest.param(("create", *WORDS, "--name", "a b"), "hook name", id="no-name"),
        pytest.param(
            ("create", *WORDS, "--timeout-secs", "601"), "exceeds the max of 600", id="too-long"
        ),
        pytest.param(("delete", "none"), "hook 'none' not found", id="none"),
    ],
)
def test_a_hook_that_cannot_be_is_refused(applied, words, told):
    before = applied.tree()

    ended = applied.run("hooks", *words, "--yes")

    assert (ended.exit, ended.out) == (Exit.ERROR, "")
    assert told in ended.err
    assert applied.tree() == before


def test_the_catchall_gets_no_hook(instance):
    instance.declare("*@example.com")
    instance.run("apply", "--yes")

    ended = instance.run("hooks", "create", *WORDS, "--mailbox", "*@example.com", "--yes")

    assert ended.err == (
        "aimx hooks: mailbox '*@example.com' is the catchall; hooks on the catchall are"
        " forbidden.\n"
    )


@pytest.mark.parametrize("cmd", ["true", '"true"', "[]", "[1]", "{}"])
def test_a_command_that_is_no_list_of_words_is_a_usage_error(applied, cmd):
    ended = create(applied, "--cmd", cmd)

    assert ended.exit == Exit.USAGE
    assert "--cmd must be a JSON array of strings" in ended.err


def test_hooks_in_one_line_are_left_and_the_lines_to_paste_are_told(instance):
    inline = 'hooks = [{ event = "after_send", cmd = ["/bin/a"] }]\n'
    instance.declare("postmaster@example.com", rest=inline)
    instance.run("apply", "--yes")
    before = instance.tree()

    ended = create(instance)

    assert ended.exit == Exit.ERROR
    assert "its entries stand in one line; write it by hand" in ended.err
    assert ended.err.endswith('\n\n{ event = "on_receive", cmd = ["/bin/true", "a b"] }\n')
    assert instance.tree() == before
