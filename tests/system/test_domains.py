"""Domains, mailboxes and hooks come and go by commands while the daemon runs."""

import os
import pwd

INFO, ADDED = "info@example.com", "info@added.example"


def owner():
    return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def test_the_daemon_adds_a_domain_and_goes_on_with_it(instance, until):
    instance.declare(INFO)
    instance.serve()
    before = instance.manifest.read_text()

    shown = instance.aimx("domains", "add", "added.example", "--dry-run")
    kept = instance.manifest.read_text()
    done = instance.aimx("domain", "add", "added.example", "--yes")

    assert (shown.returncode, kept) == (0, before), shown.stderr
    assert "  + domain/added.example" in shown.stdout
    assert done.returncode == 0, done.stderr
    assert '"added.example"' in instance.manifest.read_text().partition("\n")[0]
    until(lambda: instance.is_at_rest, "convergence")
    assert instance.status()["engine_generation"] == 2
    told = " ".join(instance.aimx("history", "show", "2").stdout.split())
    assert "through aimx domains add." in told


def test_a_domain_that_is_there_is_refused_by_the_daemon_and_mail_flows_on(instance, until):
    instance.declare(INFO)
    instance.serve()
    before = instance.manifest.read_text()

    refused = instance.aimx("domains", "add", "example.com", "--yes")

    assert refused.returncode == 1
    assert "domain 'example.com' is already configured" in refused.stderr
    assert instance.manifest.read_text() == before
    until(lambda: instance.accepts(INFO), "mail")


def test_a_domain_goes_with_its_mail_set_aside_and_no_session_is_dropped(instance, until):
    domains = ("example.com", "added.example")
    instance.declare(INFO, ADDED, domains=domains)
    instance.serve()
    instance.deliver(b"From: a@example.org\r\nSubject: kept\r\n\r\nHello.\r\n", ADDED)
    with instance.session() as session:
        refused = instance.aimx("domains", "remove", "added.example", "--yes")
        done = instance.aimx("domains", "remove", "added.example", "--force", "--yes")
        kept = session.noop()[0]

    assert (refused.returncode, "  1. info@added.example\n" in refused.stderr) == (1, True)
    assert (done.returncode, kept) == (0, 250), done.stderr
    assert not (instance.data / "added.example").exists()
    assert list((instance.state / "tombstones").glob("*/inbox/*.md"))
    until(lambda: instance.is_at_rest, "convergence")
    assert not instance.accepts(ADDED)
    assert instance.accepts(INFO)


def test_a_mailbox_takes_mail_as_soon_as_it_is_created_and_none_when_it_is_deleted(instance):
    instance.declare(INFO)
    instance.serve()

    created = instance.aimx("mailboxes", "create", "new", "--owner", owner(), "--yes")
    accepted = instance.accepts("new@example.com")
    listed = instance.aimx("mailboxes", "list")
    deleted = instance.aimx("mailboxes", "delete", "new", "--yes")

    assert (created.returncode, deleted.returncode) == (0, 0), created.stderr + deleted.stderr
    assert "new@example.com" in listed.stdout
    assert (accepted, instance.accepts("new@example.com")) == (True, False)


def test_a_hook_is_created_and_deleted_by_the_daemon(instance):
    instance.declare(INFO)
    instance.serve()
    words = ("--mailbox", "info", "--event", "on_receive", "--cmd", '["/bin/true"]')

    created = instance.aimx("hooks", "create", *words, "--name", "notify", "--yes")
    listed = instance.aimx("hooks", "list")
    deleted = instance.aimx("hooks", "delete", "notify", "--yes")

    assert created.stdout.endswith("Hook created: notify\n")
    assert "notify  info@example.com  on_receive" in listed.stdout
    assert deleted.returncode == 0
    assert instance.aimx("hooks", "list").stdout == "No hooks configured.\n"


def test_the_daemon_puts_a_key_in_the_place_of_the_one_that_is_named(instance):
    instance.declare(INFO)
    instance.serve()
    keys = instance.base / "config" / "dkim" / "example.com"
    before = (keys / "private.key").read_bytes()

    shown = instance.aimx("plan", "--replace", "dkim/example.com/aimx")
    done = instance.aimx("apply", "--replace", "dkim/example.com/aimx", "--yes")

    assert "  ~ dkim/example.com/aimx" in shown.stdout
    assert done.returncode == 0, done.stderr
    assert (keys / "private.key").read_bytes() != before
    assert before in [path.read_bytes() for path in keys.glob("private.key.20*")]
