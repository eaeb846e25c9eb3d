import os

import pytest

from aimx.doors.exits import Exit


@pytest.fixture
def applied(instance):
    assert instance.run("apply", "--yes").exit == Exit.DONE
    return instance


def test_an_added_domain_is_in_the_manifest_and_on_the_machine(applied):
    applied.manifest.write_text(f"# Mine.\n{applied.manifest.read_text()}")

    ended = applied.run("domains", "add", "B.example.", "--yes")

    assert (ended.exit, ended.err) == (Exit.DONE, "")
    keys = applied.base / "config" / "dkim" / "b.example"
    assert ended.out.endswith(f"Added domain b.example\nDKIM keypair: {keys}\n")
    assert applied.manifest.read_text().startswith(
        '# Mine.\ndomains = ["example.com", "b.example"]\n'
    )
    assert (keys / "public.key").exists()
    assert "No changes." in applied.run("plan").out


def test_a_selector_of_its_own_is_written_with_it(applied):
    applied.run("domains", "add", "b.example", "--selector", "s1", "--yes")

    assert '\n[domain."b.example"]\ndkim_selector = "s1"\n' in applied.manifest.read_text()


def test_the_mode_of_the_manifest_stays(applied):
    os.chmod(applied.manifest, 0o600)

    applied.run("domains", "add", "b.example", "--yes")

    assert applied.manifest.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "told"),
    [
        pytest.param("example.com", "domain 'example.com' is already configured", id="there"),
        pytest.param("Example.COM.", "domain 'example.com' is already configured", id="case"),
        pytest.param("a_b", "domain 'a_b' is not a valid RFC 1035 hostname", id="no-name"),
    ],
)
def test_a_domain_that_cannot_be_added_is_refused(applied, name, told):
    before = applied.tree()

    ended = applied.run("domains", "add", name, "--yes")

    assert ended.exit == Exit.ERROR
    assert told in ended.err
    assert applied.tree() == before


@pytest.mark.parametrize("words", [("--dry-run",), ()], ids=["dry-run", "nobody-to-ask"])
def test_what_is_not_confirmed_writes_nothing(applied, words):
    before = applied.tree()

    ended = applied.run("domains", "add", "b.example", *words)

    assert "  + domain/b.example" in ended.out
    assert ended.exit == (Exit.DONE if words else Exit.REFUSED)
    assert applied.tree() == before


def test_a_plan_that_is_blocked_leaves_the_manifest_as_it_is(applied):
    keys = applied.base / "config" / "dkim" / "b.example"
    keys.mkdir(mode=0o700)
    (keys / "private.key").write_text("none")
    before = applied.manifest.read_text()

    ended = applied.run("domains", "add", "b.example", "--yes")

    assert ended.exit == Exit.ERROR
    assert "some of the plan is blocked" in ended.err
    assert "  ! dkim/b.example/aimx" in ended.out
    assert applied.manifest.read_text() == before
    assert "No changes." in applied.run("plan").out


def test_a_key_that_was_put_in_place_before_is_adopted(applied):
    keys = applied.base / "config" / "dkim" / "b.example"
    keys.mkdir(mode=0o700)
    mine = (applied.base / "config" / "dkim" / "example.com" / "private.key").read_bytes()
    (keys / "private.key").write_bytes(mine)

    ended = applied.run("domains", "add", "b.example", "--yes")

    assert ended.exit == Exit.DONE
    assert (keys / "private.key").read_bytes() == mine


def test_a_broken_manifest_is_told_and_left(applied):
    applied.manifest.write_text(applied.manifest.read_text() + "[nonsense]\n")
    before = applied.tree()

    assert applied.run("domains", "add", "b.example", "--yes").exit == Exit.INVALID
    assert applied.tree() == before


def test_a_list_in_an_older_way_is_to_be_written_in_full_first(applied):
    text = applied.manifest.read_text()
    applied.manifest.write_text(text.replace('domains = ["example.com"]', 'domain = "example.com"'))

    ended = applied.run("domains", "add", "b.example", "--yes")

    assert (ended.exit, "aimx fmt --canonical" in ended.err) == (Exit.ERROR, True)


def test_what_left_the_manifest_meanwhile_stays_where_it_is(applied):
    applied.declare("postmaster@example.com", "info@example.com")
    applied.run("apply", "--yes")
    applied.declare("postmaster@example.com")

    ended = applied.run("domains", "add", "b.example", "--yes")

    assert ended.exit == Exit.DONE
    assert (applied.data / "example.com" / "inbox" / "info").is_dir()
    assert "q mailbox/info@example.com" in applied.run("plan").out


def test_while_a_generation_is_pinned_nothing_is_added(applied):
    applied.run("rollback", "1", "--yes")

    ended = applied.run("domains", "add", "b.example", "--yes")

    assert (ended.exit, "aimx resume" in ended.err) == (Exit.ERROR, True)
