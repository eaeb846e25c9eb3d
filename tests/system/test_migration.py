"""An install of layout 1 under the real daemon."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys

import pytest

from reconcilers.host.keys import new_private_key

LETTER = b"From: a@example.org\r\nTo: support@example.com\r\nSubject: New\r\n\r\nHello.\r\n"
MAIL = (
    b'+++\nid = "2026-01-02-030405-old"\nsubject = "Old"\nfrom = "a@example.org"\n+++\n\nHello.\n'
)


@pytest.fixture
def owner():
    return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def install(instance, owner, *, top=""):
    """As the older program leaves it: one domain, a name that is no local part, and mail."""
    key = new_private_key()
    home = instance.base / "config" / "dkim"
    home.mkdir(mode=0o700)
    (home / "private.key").write_bytes(key)
    (home / "private.key").chmod(0o600)
    mail = instance.data / "inbox" / "help" / "2026-01-02-030405-old.md"
    mail.parent.mkdir(parents=True)
    mail.write_bytes(MAIL)
    found = pwd.getpwnam(owner)
    for path, mode in ((mail, 0o600), (mail.parent, 0o700)):
        path.chmod(mode)
        os.chown(path, found.pw_uid, found.pw_gid)
    instance.manifest.with_name("config.toml").write_text(
        f'domain = "example.com"  # since 2024\n{top}\n'
        f'[mailboxes.help]\naddress = "support@example.com"\nowner = "{owner}"\n'
        f'[smtp]\nbind = ["127.0.0.1:{instance.port}"]\n'
        f'[dns]\nresolvers = ["{instance.resolver}"]\n'
    )
    return key, mail.stat().st_ino


def test_an_older_install_is_migrated_before_anybody_is_served(instance, owner):
    key, inode = install(instance, owner)

    instance.serve()
    code = instance.deliver(LETTER, "support@example.com")

    assert code == 250
    letters = instance.letters("support@example.com")
    assert sorted(letter.fields["subject"] for letter in letters) == ["New", "Old"]
    assert inode in {letter.path.stat().st_ino for letter in letters}
    home = instance.base / "config" / "dkim" / "example.com"
    assert (home / "private.key").read_bytes() == key
    assert (home / "public.key").exists()
    assert instance.manifest.read_text().startswith('domain = "example.com"  # since 2024\n')
    assert not (instance.data / "inbox").exists()
    assert (instance.data / ".layout-version").read_text() == "2\n"
    assert instance.aimx("plan", "--detailed-exitcode").returncode == 0


def test_a_plan_shows_the_migration_and_does_nothing(instance, owner):
    install(instance, owner)
    before = sorted(map(str, instance.base.rglob("*")))

    planned = instance.aimx("plan")

    assert planned.returncode == 0, planned.stderr
    assert "& manifest" in planned.stdout
    assert "> layout" in planned.stdout
    assert str(instance.data / "example.com" / "inbox" / "support") in planned.stdout
    assert sorted(map(str, instance.base.rglob("*"))) == before


def _refused(instance) -> tuple[int, str]:
    done = instance.aimx("serve")
    return done.returncode, done.stdout + done.stderr


def test_an_operator_who_wants_nothing_done_unasked_is_told_the_command(instance, owner):
    install(instance, owner)
    config = instance.manifest.with_name("config.toml")
    config.write_text(config.read_text() + '[controller]\nauto_apply = "none"\n')

    code, told = _refused(instance)

    assert code == 4
    assert "`aimx apply` does it" in told
    assert (instance.data / "inbox" / "help").is_dir()


def test_an_install_goes_back_to_layout_1_and_is_migrated_again(instance, owner):
    key, inode = install(instance, owner)
    instance.serve()
    assert instance.deliver(LETTER, "support@example.com") == 250
    instance.letter("support@example.com", "New")

    shown = instance.aimx("rollback", "--layout", "1", "--plan")
    refused = instance.aimx("rollback", "--layout", "1", "--yes")
    assert (shown.returncode, refused.returncode) == (0, 6), shown.stderr + refused.stderr
    assert str(instance.data / "inbox") in shown.stdout
    assert "(`aimx serve`, since" in refused.stderr
    assert len(instance.letters("support@example.com")) == 2
    instance.stop()
    done = instance.aimx("rollback", "--layout", "1", "--yes")
    again = instance.aimx("rollback", "--layout", "1", "--yes")

    assert (done.returncode, again.returncode) == (0, 0), done.stdout + done.stderr
    older = instance.data / "inbox" / "help"
    assert inode in {path.stat().st_ino for path in older.glob("*.md")}
    assert len(list(older.glob("*.md"))) == 2
    assert (instance.base / "config" / "dkim" / "private.key").read_bytes() == key
    assert not instance.manifest.exists()
    assert not (instance.data / ".layout-version").exists()

    instance.serve()
    letters = instance.letters("support@example.com")
    assert sorted(letter.fields["subject"] for letter in letters) == ["New", "Old"]
    assert instance.deliver(LETTER, "support@example.com") == 250


def test_an_older_tree_beside_a_new_one_keeps_the_daemon_from_starting(instance, owner):
    install(instance, owner)
    new = instance.data / "example.com" / "inbox" / "info"
    new.mkdir(parents=True)
    (new / "a.md").write_bytes(MAIL)

    code, told = _refused(instance)

    assert code == 4
    assert f"both {instance.data}/inbox and {instance.data}/example.com/inbox exist" in told


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
def test_a_tree_on_another_file_system_is_refused_and_left(instance, owner):
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace is to be had")
    install(instance, owner)
    tree = instance.data / "sent"
    tree.mkdir()
    script = (
        f"mount -t tmpfs none {tree} && mkdir {tree}/help && touch {tree}/help/a.md"
        f" && {{ $PYTHON -m aimx apply --yes; code=$?; ls {tree}/help; exit $code; }}"
    )

    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script],
        env={**instance.environment, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 4, done.stdout + done.stderr
    assert "must be on the same file system" in done.stdout + done.stderr
    assert "a.md" in done.stdout
    assert (instance.data / "inbox" / "help").is_dir()
