"""How the commands that edit a manifest end: for who administers it, and for everybody else."""

import json
import os
import pwd
import shlex

import pytest

# Imported by us: who cannot read our interpreter could not import anything.
from aimx.cli import dkim_keygen, domains, hooks, mailboxes  # noqa: F401
from aimx.cli.main import main

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root and another Linux user")

NOBODY = 65534
HOOK = """--mailbox info --event on_receive --cmd '["/bin/true"]'"""
# With a daemon and without one. None of these changes anything.
ADMINISTRATOR = {
    "domains list": (0, 0),
    "domains add new.example --dry-run": (0, 0),
    "domains add new.example": (4, 4),
    "domains add example.com --yes": (1, 1),
    "domains add no_name --yes": (1, 1),
    "domains set-default two.example --dry-run": (0, 0),
    "domains set-default example.com --yes": (1, 1),
    "domains remove two.example --yes": (1, 1),
    "domains remove two.example --force": (4, 4),
    "domains remove two.example --force --dry-run": (0, 0),
    "domains remove none.example --yes": (1, 1),
    "mailboxes list": (0, 0),
    "mailboxes show info": (0, 0),
    "mailboxes show none": (1, 1),
    "mailboxes create new --owner OWNER --dry-run": (0, 0),
    "mailboxes create new --owner OWNER": (4, 4),
    "mailboxes create info --owner OWNER --yes": (1, 1),
    "mailboxes delete info --dry-run": (0, 0),
    "mailboxes delete info": (4, 4),
    "mailboxes delete full --yes": (1, 1),
    "mailboxes delete none --yes": (1, 1),
    "mailboxes delete kept --yes": (4, 4),
    "hooks list": (0, 0),
    "hooks list --mailbox none": (1, 1),
    f"hooks create {HOOK} --dry-run": (0, 0),
    f"hooks create {HOOK}": (4, 4),
    "hooks delete none --yes": (1, 1),
    "domains rotate-dkim two.example --dry-run": (0, 0),
    "domains rotate-dkim two.example": (4, 4),
    "domains rotate-dkim none.example --yes": (1, 1),
    "dkim-keygen --yes": (0, 0),
    "dkim-keygen --force": (4, 4),
    "dkim-keygen --domain none.example --yes": (1, 1),
    "domains": (64, 64),
    "mailboxes create": (64, 64),
    "hooks create --mailbox info": (64, 64),
}
OTHERS = {
    "domains list": ("domain", 1, 2),
    "domains add new.example --yes": ("domain", 1, 2),
    "domains set-default two.example --yes": ("domain", 1, 2),
    "domains remove two.example --force --yes": ("domain", 1, 2),
    "domains rotate-dkim two.example --yes": ("domain", 1, 2),
    "dkim-keygen --force --yes": ("domain", 1, 2),
    "mailboxes list": ("mailbox", 1, 2),
    "mailboxes show info": ("mailbox", 1, 2),
    "mailboxes create new --yes": ("mailbox", 1, 2),
    "mailboxes delete info --yes": ("mailbox", 1, 2),
    "hooks list": ("hook", 1, 2),
    f"hooks create {HOOK} --yes": ("hook", 1, 2),
    "hooks delete none --yes": ("hook", 1, 2),
}


@pytest.fixture(scope="module")
def instances(make_for_all):
    """One that a daemon serves, and one that none does."""
    owner = pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() else "nobody"
    protected = f'[mailboxes."kept@example.com"]\nowner = "{owner}"\nlifecycle.protect = true\n'
    made = make_for_all("served"), make_for_all("alone")
    for instance in made:
        instance.declare(
            *("postmaster@example.com", "info@example.com", "full@example.com", "x@two.example"),
            domains=("example.com", "two.example"),
            rest=protected,
        )
        instance.apply()
        (instance.mailbox("full@example.com") / "m.md").write_text("mail")
    made[0].serve()
    return made


def typed(command):
    owner = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    return [word.replace("OWNER", owner) for word in shlex.split(command)]


@pytest.mark.parametrize(("command", "codes"), ADMINISTRATOR.items(), ids=ADMINISTRATOR)
def test_how_each_command_ends_with_a_daemon_and_without_one(instances, command, codes):
    before = [instance.manifest.read_bytes() for instance in instances]

    ended = [instance.aimx(*typed(command)) for instance in instances]

    assert tuple(each.returncode for each in ended) == codes
    assert ended[0].stderr == ended[1].stderr.replace("/alone/", "/served/")
    assert [instance.manifest.read_bytes() for instance in instances] == before


def ended_for_nobody(instance, words, capsys):
    """The command in this process, as another user."""
    folders = {"config": "config", "data": "data", "runtime": "run"}
    flags = [f"--{name}-dir={instance.base / place}" for name, place in folders.items()]
    capsys.readouterr()
    os.seteuid(NOBODY)
    try:
        code = main([*words, *flags])
    finally:
        os.seteuid(0)
    return code, *capsys.readouterr()


@needs_root
@pytest.mark.parametrize(("command", "said"), OTHERS.items(), ids=OTHERS)
def test_everybody_else_needs_a_daemon_and_its_word(instances, command, said, capsys):
    crud, served, alone = said

    ended = [ended_for_nobody(each, typed(command), capsys) for each in instances]

    name = command.split()[0]
    words = " ".join(word for word in command.split()[:2] if not word.startswith("-"))
    assert ended == [
        (served, "", f"aimx {name}: not authorized: {words} requires root (run with sudo).\n"),
        (
            alone,
            "",
            f"aimx {name}: daemon must be running for non-root {crud} CRUD; start `aimx serve` or"
            " run with sudo to fall back to direct config edit.\n",
        ),
    ]


@needs_root
def test_who_may_not_gets_it_as_data_where_data_is_asked_for(instances, capsys):
    words = ["mailboxes", "list", "--json"]

    ended = [ended_for_nobody(instance, words, capsys) for instance in instances]

    assert [json.loads(out)["exit"] for _, out, _ in ended] == [1, 2]
