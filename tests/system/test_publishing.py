"""A domain that was added is to be published: its records are told, and looked up."""

import os
import pty
import re
import subprocess
import sys
from contextlib import suppress

import pytest

from aimx.testing.zone import Zone, serve_in_thread

ROTATED = "aimx2._domainkey.example.com"
NAMES = ("b.example", ROTATED, "aimx._domainkey.b.example", "_dmarc.b.example")
ASKED = b"q leaves: "


@pytest.fixture
def table():
    """What a zone has of the domain: nothing yet."""
    return {name: {} for name in NAMES}


@pytest.fixture
def published(make, table):
    """An instance that asks that zone."""
    with serve_in_thread(Zone(table)) as resolver:
        instance = make()
        instance.resolver = resolver
        instance.declare("postmaster@example.com")
        instance.apply()
        yield instance


def on_a_terminal(instance, answers, *arguments):
    """Run a command on a terminal of its own; gives its code and what it said."""
    try:
        ours, theirs = pty.openpty()
    except OSError as cause:
        pytest.skip(f"no terminal is to be had: {cause}")
    command = [sys.executable, "-m", "aimx", *arguments]
    done = subprocess.Popen(
        command, env=instance.environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    with suppress(OSError):  # That is how a terminal says that nobody has it any more.
        while part := os.read(ours, 4096):
            said += part
            if said.endswith(ASKED):
                os.write(ours, answers.pop(0)(said.decode()).encode())
    os.close(ours)
    return done.wait(60), said.decode().replace("\r\n", "\n")


def publish(table):
    """Do what is told, as whoever keeps the zone would."""

    def typed(said):
        for name, kind, value in re.findall(r"^(\S+)\. (MX|TXT) (.*?)\r?$", said, re.M):
            text = "".join(re.findall(r'"([^"]*)"', value)) or value
            table[name][kind] = text
        return "\n"

    return typed


def test_records_are_looked_up_until_they_are_all_published(published, table):
    words = ("domains", "add", "b.example", "--yes")

    code, said = on_a_terminal(published, [lambda said: "\n", publish(table)], *words)

    assert code == 0
    first, second, third = said.split("The DNS says:\n")[1:]
    assert first.count("not there yet") == second.count("not there yet") == 4
    assert [line.split() for line in third.splitlines()] == [
        ["MX", "published"],
        ["SPF", "published"],
        ["DKIM", "published"],
        ["DMARC", "published"],
    ]


def test_whoever_publishes_later_leaves(published):
    code, said = on_a_terminal(
        published, [lambda said: "q\n"], "domains", "add", "b.example", "--yes"
    )

    assert (code, said.count("The DNS says:")) == (0, 1)
    assert '"b.example"' in published.manifest.read_text()


def test_what_is_published_otherwise_is_shown(published, table):
    table["b.example"].update(TXT=["v=spf1 -all", "about something else"], MX=["5 c.example"])
    table["_dmarc.b.example"].update(silent=True)
    published.declare("postmaster@example.com", rest='timeout = "1s"\n')

    _, said = on_a_terminal(published, [lambda said: "q\n"], "domains", "add", "b.example", "--yes")

    assert "  MX    another one: 5 c.example\n" in said
    assert "  SPF   another one: v=spf1 -all\n" in said
    assert "  DMARC nobody answers\n" in said


def test_nobody_is_asked_who_wants_no_look(published):
    code, said = on_a_terminal(
        published, [], "domains", "add", "b.example", "--yes", "--no-dns-check"
    )

    assert (code, "The DNS says:" in said) == (0, False)
    assert "\naimx._domainkey.b.example. TXT (" in said


def test_without_a_terminal_the_records_are_told_alone(published):
    done = published.aimx("domains", "add", "b.example", "--yes")

    assert "\nb.example. MX 10 example.com.\n" in done.stdout
    assert (done.returncode, done.stderr) == (0, "")


def test_mail_is_signed_with_a_new_key_only_once_that_is_published(published, table):
    published.serve()
    words = ("domains", "rotate-dkim", "example.com", "--yes")

    waiting = published.aimx(*words)
    before = published.manifest.read_text()
    publish(table)(waiting.stdout)
    done = published.aimx(*words)

    assert waiting.returncode == 4
    assert "mail is signed as before;" in waiting.stderr
    assert "dkim_selector" not in before
    assert done.returncode == 0, done.stderr
    assert 'dkim_selector = "aimx2"' in published.manifest.read_text()
    assert published.aimx("domains", "list").stdout.splitlines()[1].split()[2] == "loaded"
