"""`aimx mailboxes` as the operator of an instance types it, where no daemon runs."""

import os
import shutil

import pytest

from aimx.doors.exits import Exit

INFO = "info@example.com"
UNKNOWN = "domain 'c.example' is not in 'domains'; add it with 'aimx domains add c.example'.\n"


def create(instance, name, *words):
    return instance.run("mailboxes", "create", name, "--owner", instance.owner, "--yes", *words)


@pytest.mark.parametrize("name", ["info", INFO, "info@EXAMPLE.com"])
def test_a_created_mailbox_is_in_the_manifest_and_on_the_machine(applied, name):
    before = applied.manifest.read_text()

    ended = create(applied, name)

    assert (ended.exit, ended.err) == (Exit.DONE, "")
    assert ended.out.endswith(f"Mailbox '{name}' created (owner: {applied.owner}).\n")
    table = f'\n[mailboxes."{INFO}"]\nowner = "{applied.owner}"\n'
    assert applied.manifest.read_text() == before + table
    assert (applied.data / "example.com" / "inbox" / "info").is_dir()
    assert "No changes." in applied.run("plan").out


@pytest.mark.skipif(os.geteuid() == 0, reason="root names the owner")
def test_without_an_owner_it_is_of_whoever_runs_the_instance(applied):
    ended = applied.run("mailboxes", "create", "info", "--yes")

    assert ended.out.endswith(f"Mailbox 'info' created (owner: {applied.owner}).\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="others own what they create")
def test_root_says_whose_it_is_unless_it_is_named_after_a_user(applied):
    assert applied.run("mailboxes", "create", "nobody", "--yes").exit == Exit.DONE

    ended = applied.run("mailboxes", "create", "no-such-user", "--yes")

    assert (ended.exit, "--owner USER" in ended.err) == (Exit.USAGE, True)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        pytest.param("postmaster", "mailbox 'postmaster' already exists", id="there"),
        pytest.param(
            "a+b",
            "Mailbox name contains invalid character '+'; allowed: [a-z0-9._-]",
            id="no-plain-name",
        ),
        pytest.param("..", "dot-atom", id="dots"),
        pytest.param(
            "catchall",
            "Mailbox name 'catchall' is reserved for the wildcard catchall slot",
            id="catchall",
        ),
        pytest.param("info@c.example", UNKNOWN, id="elsewhere"),
    ],
)
def test_a_mailbox_that_cannot_be_is_refused(applied, name, told):
    before = applied.tree()

    ended = create(applied, name)

    assert (ended.exit, ended.out) == (Exit.ERROR, "")
    assert told in ended.err
    assert applied.tree() == before


def test_an_owner_who_is_no_user_is_told(applied):
    ended = applied.run("mailboxes", "create", "info", "--owner", "no-such-user", "--yes")

    assert (ended.exit, ended.err) == (
        Exit.ERROR,
        "aimx mailboxes: unknown owner 'no-such-user'; `useradd --create-home no-such-user` makes"
        " one.\n",
    )


def test_an_owner_who_could_be_no_user_is_told(applied):
    ended = applied.run("mailboxes", "create", "info", "--owner", "Al ice", "--yes")

    assert (ended.exit, ended.err) == (
        Exit.ERROR,
        "aimx mailboxes: 'Al ice' is no name of a Linux user.\n",
    )


@pytest.mark.parametrize(
    ("place", "told"),
    [
        pytest.param("example.com/inbox/info", f"mailbox/{INFO}: ", id="its own"),
        pytest.param("example.com/sent", "domain/example.com: ", id="the domain's"),
    ],
)
def test_a_mailbox_whose_place_is_taken_is_not_declared(applied, place, told):
    taken = applied.data / place
    shutil.rmtree(taken, ignore_errors=True)
    taken.symlink_to("/")
    before = applied.manifest.read_text()

    ended = create(applied, "info")

    assert ended.exit == Exit.REFUSED
    assert ended.err.startswith(f"aimx mailboxes: nothing was changed, since it is blocked. {told}")
    assert applied.manifest.read_text() == before


def test_a_name_that_is_an_alias_is_told_with_its_place(applied):
    aliased = f'\n[mailboxes."x@example.com"]\nowner = "{applied.owner}"\naliases = ["{INFO}"]\n'
    applied.manifest.write_text(applied.manifest.read_text() + aliased)
    applied.run("apply", "--yes")

    ended = create(applied, "info")

    assert ended.exit == Exit.ERROR
    assert ended.err.startswith("aimx mailboxes: the manifest would be invalid with it:\n\n")
    assert f"alias '{INFO}' of mailbox 'x@example.com' leads to a mailbox already" in ended.err


def test_what_is_blocked_elsewhere_keeps_no_mailbox_from_coming(applied):
    lost = applied.base / "config" / "dkim" / "example.com" / "private.key"
    lost.unlink()

    ended = create(applied, "info")

    assert ended.exit == Exit.PARTIAL
    assert "blocked dkim/example.com/aimx" in " ".join((ended.out + ended.err).split())
    assert INFO in applied.manifest.read_text()
    assert (applied.data / "example.com" / "inbox" / "info").is_dir()


def test_a_deleted_mailbox_leaves_the_manifest_as_it_was_before(applied):
    before = applied.manifest.read_text()
    create(applied, "info")

    ended = applied.run("mailbox", "delete", "info", "--yes")

    assert (ended.exit, ended.err) == (Exit.DONE, "")
    assert ended.out.endswith("Mailbox 'info' deleted.\n")
    assert applied.manifest.read_text().strip() == before.strip()
    assert not (applied.data / "example.com" / "inbox" / "info").exists()


def test_one_that_holds_mail_is_deleted_only_by_force_and_its_mail_set_aside(applied):
    create(applied, "info")
    (applied.data / "example.com" / "inbox" / "info" / "m.md").write_text("kept")
    (applied.data / "example.com" / "sent" / "info" / "n.md").write_text("kept")
    before = applied.tree()

    refused = applied.run("mailboxes", "delete", "info", "--yes")
    unchanged = applied.tree() == before
    ended = applied.run("mailboxes", "delete", "info", "--force", "--yes")

    assert (refused.exit, unchanged) == (Exit.ERROR, True)
    assert refused.err.startswith(
        "aimx mailboxes: mailbox 'info' has 2 files (1 in inbox, 1 in sent); archive or"
        " remove them first"
    )
    assert ended.exit == Exit.DONE
    kept = applied.data / ".aimx" / "tombstones" / f"{INFO}.3"
    assert (kept / "inbox" / "m.md").read_text() == "kept"


@pytest.mark.parametrize(
    ("folder", "told"), [("inbox", "1 in inbox, 0 in sent"), ("sent", "0 in inbox, 1 in sent")]
)
def test_mail_in_either_folder_keeps_a_mailbox(applied, folder, told):
    create(applied, "info")
    (applied.data / "example.com" / folder / "info" / "m.md").write_text("kept")

    ended = applied.run("mailboxes", "delete", "info", "--yes")

    assert ended.exit == Exit.ERROR
    assert f"mailbox 'info' has 1 file ({told})" in ended.err


@pytest.mark.parametrize("name", ["info", INFO, "catchall", "a b"])
def test_one_that_is_not_there_cannot_be_deleted(applied, name):
    ended = applied.run("mailboxes", "delete", name, "--yes")

    assert (ended.exit, ended.err) == (
        Exit.ERROR,
        f"aimx mailboxes: mailbox '{name}' does not exist.\n",
    )


def test_one_under_an_older_name_is_deleted_too(instance):
    instance.declare(
        "postmaster@example.com", rest=f'[mailboxes.old]\nowner = "{instance.owner}"\n'
    )
    instance.run("apply", "--yes")

    assert instance.run("mailboxes", "delete", "old@example.com", "--yes").exit == Exit.DONE
    assert "old" not in instance.manifest.read_text()


def test_the_last_mailbox_may_be_deleted_by_name(applied):
    ended = applied.run("mailboxes", "delete", "postmaster", "--yes")

    assert ended.exit == Exit.DONE
