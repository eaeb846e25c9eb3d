"""The manifest is edited while the daemon runs."""

import os
import pwd
import signal
import socket
from pathlib import Path

import pytest

from aimx.testing.accounts import accounts

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root and another Linux user")


@pytest.fixture(scope="module")
def shared(make_for_all):
    instance = make_for_all()
    instance.declare("info@example.com", "postmaster@example.com")
    instance.serve()
    return instance


@pytest.fixture
def served(shared, until):
    """What another test wrote last may still be on its way."""
    until(lambda: shared.is_at_rest, "the daemon to be at rest")
    return shared


def enlarged(instance, domain: str) -> str:
    """The manifest as it is, and one more domain with a mailbox."""
    head, _, tail = instance.manifest.read_text().partition('"]\n')
    owner = tail.partition('owner = "')[2].partition('"')[0]
    more = f'[mailboxes."agent@{domain}"]\nowner = "{owner}"\n'
    return f'{head}", "{domain}"]\n{tail}{more}'


def by_rename(instance, text: str) -> None:
    instance.write(text)


def in_place(instance, text: str) -> None:
    instance.manifest.write_text(text)


def by_delete_and_create(instance, text: str) -> None:
    instance.manifest.unlink()
    instance.manifest.write_text(text)


def by_flipped_link(instance, text: str) -> None:
    """As a ConfigMap is updated: the file is a link through a link to a directory."""
    directory = instance.manifest.parent
    for version, content in (("v1", instance.manifest.read_text()), ("v2", text)):
        (directory / version).mkdir()
        (directory / version / "manifest.toml").write_text(content)
        link = directory / "..new"
        link.symlink_to(version)
        link.replace(directory / "..data")
        if version == "v1":
            link.symlink_to("..data/manifest.toml")
            link.replace(instance.manifest)


def with_a_backup(instance, text: str) -> None:
    """As editors do that keep one: for a moment there is no manifest."""
    instance.manifest.rename(instance.manifest.with_suffix(".toml~"))
    instance.manifest.write_text(text)


def while_its_directory_is_away(instance, text: str) -> None:
    """Manifest, engine config and keys are gone, and back."""
    here, away = instance.manifest.parent, instance.base / "away"
    here.rename(away)
    (away / "manifest.toml").write_text(text)
    away.rename(here)


@pytest.mark.parametrize(
    "save",
    [
        by_rename,
        in_place,
        by_delete_and_create,
        with_a_backup,
        while_its_directory_is_away,
        by_flipped_link,
    ],
)
def test_a_domain_that_is_added_receives_mail_without_a_restart(served, until, save):
    domain = f"{save.__name__.replace('_', '-')}.example"
    before, processes = served.status()["generation"], served.processes()

    save(served, enlarged(served, domain))
    until(lambda: served.is_at_rest, "the new domain to be served")

    assert served.deliver(b"Subject: first\r\n\r\nHello.\r\n", f"agent@{domain}") == 250
    assert served.letter(f"agent@{domain}", "first")
    assert (served.base / "config" / "dkim" / domain / "private.key").is_file()
    assert served.status()["generation"] == before + 1
    assert (served.state / "generations" / str(before + 1)).is_dir()
    assert served.processes() == processes


def test_an_edit_that_changes_nothing_makes_no_generation(served, until):
    before = served.status()

    served.write(served.manifest.read_text() + "# Nothing but a remark.\n")
    until(lambda: served.is_at_rest, "the remark to be noticed")

    assert served.status()["last_attempted"] != before["last_attempted"]
    assert served.status()["generation"] == before["generation"]


def test_a_daemon_that_is_told_to_look_repairs_what_was_broken(served, until):
    sent = served.mailbox("postmaster@example.com", "sent")
    sent.rmdir()

    served.daemon.send_signal(signal.SIGHUP)

    until(sent.is_dir, "the directory to be there again")
    owner = pwd.getpwuid(sent.stat().st_uid).pw_name
    assert f'owner = "{owner}"' in served.manifest.read_text()
    until(lambda: served.is_at_rest, "convergence")


def test_another_port_is_served_without_a_restart(served, until):
    before, processes = served.port, served.processes()
    with served.session() as open_before:
        served.reserve()
        served.write(served.manifest.read_text().replace(f":{before}", f":{served.port}"))
        until(lambda: is_open(served.port), "the new port to be open")

        assert open_before.noop()[0] == 250
    until(lambda: not is_open(before), "the old port to be closed")
    assert served.accepts("info@example.com")
    assert served.processes() == processes


def test_a_port_that_is_taken_leaves_everything_as_it_was(served, until):
    before, text = served.status()["generation"], served.manifest.read_text()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        served.write(text.replace(f":{served.port}", f":{other.getsockname()[1]}"))
        until(lambda: served.has("Converged", "False"), "the plan to fail")

        assert "address already in use" in served.condition("Converged")["message"]
        assert served.status()["engine_generation"] == before
        assert served.accepts("info@example.com")

        served.write(text)
        until(lambda: served.has("Converged", "True"), "convergence")
    assert served.status()["generation"] == before


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 60).close()
    except ConnectionError:
        return False
    return True


def inodes(directory: Path) -> dict[int, bytes]:
    return {p.stat().st_ino: p.read_bytes() for p in directory.rglob("*") if p.is_file()}


ATTACHED = (
    b'Subject: attached\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\n\r\nHello.\r\n--b\r\n"
    b"Content-Disposition: attachment; filename=a.txt\r\n\r\nA\r\n--b--\r\n"
)


def test_a_mailbox_that_is_left_out_goes_only_when_somebody_says_so(instance, until):
    gone = "gone@example.com"
    instance.declare("info@example.com", gone, "postmaster@example.com")
    instance.serve()
    assert instance.deliver(b"Subject: flat\r\n\r\nHello.\r\n", gone) == 250
    assert instance.deliver(ATTACHED, gone) == 250

    instance.declare("info@example.com", "postmaster@example.com")
    until(lambda: instance.has("PendingApproval", "True"), "the removal to wait for approval")

    pending = instance.condition("PendingApproval")["message"]
    assert f"quarantine mailbox/{gone}" in pending.splitlines()
    assert instance.deliver(b"Subject: meanwhile\r\n\r\nHello.\r\n", gone) == 250
    kept = inodes(instance.mailbox(gone))
    assert len(kept) == 4

    applied = instance.aimx("apply", "--yes")

    assert applied.returncode == 0, applied.stderr
    assert instance.rcpt(gone) == 550
    assert not instance.mailbox(gone).exists()
    (tombstone,) = (instance.state / "tombstones").iterdir()
    assert {inode: inodes(tombstone).get(inode) for inode in kept} == kept
    assert instance.accepts("info@example.com")
    until(lambda: instance.has("PendingApproval", "False"), "nothing to wait for approval")
    assert instance.has("Converged", "True")


@needs_root
def test_a_mailbox_whose_owner_is_missing_works_as_soon_as_there_is_one(instance, until):
    user = f"aimx-{os.getpid()}"
    mailbox = f'[mailboxes."new@example.com"]\nowner = "{user}"\n'
    instance.declare("postmaster@example.com", rest=mailbox)
    validated = instance.aimx("validate")
    instance.serve()
    assert user in validated.stdout
    assert instance.rcpt("new@example.com") == 450

    with accounts(user):
        instance.daemon.send_signal(signal.SIGHUP)
        until(lambda: instance.accepts("new@example.com"), "the owner to be found")
        until(lambda: instance.is_at_rest, "everybody to know")

        assert instance.deliver(b"Subject: mine\r\n\r\nHello.\r\n", "new@example.com") == 250
        assert instance.letter("new@example.com", "mine").path.owner() == user
