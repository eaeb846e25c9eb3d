"""`aimx dkim-keygen`, `aimx domains rotate-dkim` and `--replace`, where no daemon runs."""

import pytest

from aimx.doors.exits import Exit

UNKNOWN = "domain 'c.example' is not in 'domains'; add it with 'aimx domains add c.example'.\n"


def keys(instance, domain="example.com"):
    home = instance.base / "config" / "dkim" / domain
    return {path.name: path.read_bytes() for path in home.iterdir()}


def test_a_key_that_is_there_stays_and_its_record_is_told(applied):
    before = applied.tree()

    ended = applied.run("dkim-keygen", "--yes")

    assert (ended.exit, ended.err) == (Exit.DONE, "")
    assert '\naimx._domainkey.example.com. TXT ("v=DKIM1; k=rsa; p=' in ended.out
    assert applied.tree() == before


def test_all_that_its_domain_needs_is_told(applied):
    selected = '[domain."example.com"]\ndkim = { algorithms = ["rsa-sha256", "ed25519-sha256"] }\n'
    applied.manifest.write_text(applied.manifest.read_text() + selected)
    applied.run("apply", "--yes")

    told = applied.run("dkim-keygen").out
    of_one = applied.run("dkim-keygen", "--selector", "aimx-ed25519").out

    names = [line.split()[0] for line in told.split("Publish in the DNS:\n\n")[1].splitlines()]
    keys = [f"{selector}._domainkey.example.com." for selector in ("aimx", "aimx-ed25519")]
    assert names == ["example.com.", "example.com.", *keys, "_dmarc.example.com."]
    assert of_one.splitlines()[-1] in told
    assert of_one.splitlines()[-3:-1] == ["Publish in the DNS:", ""]


def test_with_force_another_takes_its_place_and_it_is_kept(applied):
    before = keys(applied)

    ended = applied.run("dkim-keygen", "--domain", "example.com", "--force", "--yes")

    after = keys(applied)
    (kept,) = after.keys() - before.keys()
    assert (ended.exit, after[kept]) == (Exit.DONE, before["private.key"])
    assert kept.startswith("private.key.20")
    assert after["private.key"] != before["private.key"]
    assert "No changes." in applied.run("plan").out


def test_a_lost_key_is_made_anew_where_somebody_says_so(applied):
    (applied.base / "config" / "dkim" / "example.com" / "private.key").unlink()

    left = applied.run("dkim-keygen", "--yes")
    made = applied.run("dkim-keygen", "--force", "--yes")

    assert (left.exit, made.exit) == (Exit.REFUSED, Exit.DONE)
    assert "`aimx dkim-keygen --domain example.com --selector aimx --force`" in left.err
    assert "private.key" in keys(applied)


@pytest.mark.parametrize(
    "words",
    [
        ("dkim-keygen", "--domain", "c.example"),
        ("domains", "rotate-dkim", "c.example"),
        ("apply", "--replace", "dkim/c.example/aimx"),
    ],
    ids=lambda words: words[0],
)
def test_a_domain_that_is_not_listed_has_no_key(applied, words):
    before = applied.tree()

    ended = applied.run(*words, "--yes")

    assert (ended.exit, ended.err.partition(": ")[2]) == (Exit.ERROR, UNKNOWN)
    assert applied.tree() == before


@pytest.mark.parametrize(
    "address", ["mailbox/a@example.com", "dkim/example.com", "x", "dkim/a/b/c"]
)
def test_nothing_but_a_key_is_replaced(applied, address):
    ended = applied.run("apply", "--replace", address, "--yes")

    assert (ended.exit, "is no address of a key" in ended.err) == (Exit.ERROR, True)


def test_a_plan_shows_a_replacement_and_changes_nothing(applied):
    before = applied.tree()

    ended = applied.run("plan", "--replace", "dkim/example.com/aimx")

    assert "  ~ dkim/example.com/aimx" in ended.out
    assert applied.tree() == before


def test_no_saved_plan_replaces_a_key(applied, tmp_path):
    words = ("plan", "--replace", "dkim/example.com/aimx", "--out", str(tmp_path / "x"))

    assert applied.run(*words).exit == Exit.USAGE


def test_a_rotation_signs_with_a_key_of_its_own(applied):
    before = keys(applied)

    ended = applied.run("domains", "rotate-dkim", "example.com", "--no-dns-check", "--yes")

    assert (ended.exit, ended.err) == (Exit.DONE, "")
    assert ended.out.endswith("Mail of example.com is signed with the key of aimx2.\n")
    assert keys(applied).items() >= before.items()
    assert keys(applied).keys() - before.keys() == {"aimx2.private.key", "aimx2.public.key"}
    assert '\n[domain."example.com"]\ndkim_selector = "aimx2"\n' in applied.manifest.read_text()
    assert "No changes." in applied.run("plan").out


def test_the_next_rotation_counts_on(applied):
    for _ in range(2):
        applied.run("domains", "rotate-dkim", "example.com", "--no-dns-check", "--yes")

    assert 'dkim_selector = "aimx3"' in applied.manifest.read_text()
    assert "No changes." in applied.run("plan").out


def test_a_selector_without_a_key_is_not_switched_to(applied):
    ended = applied.run("domains", "rotate-dkim", "example.com", "--selector", "A b", "--yes")

    assert (ended.exit, "is not a valid DNS label" in ended.err) == (Exit.ERROR, True)
