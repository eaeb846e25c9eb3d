import os

import pytest

from aimx.controller.alone import Alone
from aimx.controller.amendments import RemoveDomain
from aimx.controller.instance import Instance
from aimx.doors.exits import Exit
from reconcilers.consent import Consent
from reconcilers.safety import removes
from reconcilers.step import Hands

TWO = 'domains = ["example.com", "b.example"]\n'


def declare(instance, *boxes, top=TWO, rest=""):
    tables = "".join(f'\n[mailboxes."{box}"]\nowner = "{instance.owner}"\n' for box in boxes)
    instance.manifest.write_text(f"# Ours.\n{top}{tables}{rest}")


def apply(instance):
    assert instance.run("apply", "--yes").exit == Exit.DONE


def fragment(instance, name, text):
    path = instance.base / "config" / "manifest.d" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_an_added_domain_is_in_the_manifest_and_on_the_machine(applied):
    applied.manifest.write_text(f"# Mine.\n{applied.manifest.read_text()}")

    ended = applied.run("domains", "add", "B.example.", "--yes")

    assert (ended.exit, ended.err) == (Exit.DONE, "")
    keys = applied.base / "config" / "dkim" / "b.example"
    told = (
        f"Added domain b.example\nDKIM keypair: {keys}\n\nPublish in the DNS:\n\nb.example. MX 10"
    )
    assert told in ended.out
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


def test_what_changes_in_the_manifest_is_shown_before_anybody_says_yes(applied):
    ended = applied.run("domains", "add", "b.example", "--dry-run")

    shown, plan = ended.out.split("\n\n", 1)
    assert shown.splitlines()[3:5] == [
        '-domains = ["example.com"]',
        '+domains = ["example.com", "b.example"]',
    ]
    assert "  + domain/b.example" in plan


def test_of_a_long_change_of_the_manifest_the_beginning_is_shown(instance):
    declare(instance, *(f"box{number}@b.example" for number in range(50)))
    apply(instance)

    ended = instance.run("domains", "remove", "b.example", "--force", "--dry-run")

    assert "\n... and " in ended.out
    assert ended.out.index("lines more\n") < ended.out.index("q mailbox/box0@b.example")


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

    assert ended.exit == Exit.REFUSED
    assert ended.err.startswith(
        "aimx domains: nothing was changed, since it is blocked. dkim/b.example/aimx: "
    )
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


def test_a_domain_without_mailboxes_goes_and_its_key_stays(instance):
    declare(instance, "postmaster@example.com", rest='\n[domain."B.example"]\ntrust = "verified"\n')
    apply(instance)
    key = instance.base / "config" / "dkim" / "b.example" / "private.key"
    before = key.read_bytes()

    ended = instance.run("domains", "remove", "b.example", "--yes")

    assert (ended.exit, ended.err) == (Exit.DONE, "")
    assert ended.out.endswith(f"Removed domain b.example\nDKIM keypair preserved at {key.parent}\n")
    declare(instance, "postmaster@example.com", top='domains = ["example.com"]\n')
    assert key.read_bytes() == before
    assert "No changes." in instance.run("plan").out


def test_what_a_removed_domain_leaves_of_the_manifest_is_what_was_there(instance):
    declare(instance, "postmaster@example.com", "x@b.example", rest="\n# The end.\n")
    apply(instance)

    instance.run("domains", "remove", "B.EXAMPLE", "--force", "--yes")

    text = instance.manifest.read_text()
    declare(
        instance, "postmaster@example.com", top='domains = ["example.com"]\n', rest="\n# The end.\n"
    )
    assert text == instance.manifest.read_text()


def test_mailboxes_in_the_way_are_listed_in_order_and_nothing_goes(instance):
    declare(instance, "postmaster@example.com", "x@b.example", "*@b.example", "a@b.example")
    apply(instance)
    before = instance.tree()

    ended = instance.run("domains", "remove", "b.example", "--yes")

    assert (ended.exit, ended.out) == (Exit.ERROR, "")
    assert ended.err == (
        "aimx domains: domain 'b.example' has 3 mailboxes:\n  1. *@b.example\n  2. a@b.example\n"
        "  3. x@b.example\nrefused: domain has mailboxes; rerun with --force to cascade.\n"
    )
    assert instance.tree() == before


def test_with_force_the_mailboxes_of_a_domain_become_tombstones(instance):
    declare(instance, "postmaster@example.com", "x@b.example", "*@b.example")
    apply(instance)
    mail = instance.data / "b.example" / "inbox" / "x" / "m.md"
    mail.write_text("kept")

    ended = instance.run("domains", "remove", "b.example", "--force", "--yes")

    assert ended.exit == Exit.DONE
    tombstones = instance.data / ".aimx" / "tombstones"
    assert sorted(path.name for path in tombstones.iterdir()) == [
        "catchall@b.example.2",
        "x@b.example.2",
    ]
    assert (tombstones / "x@b.example.2" / "inbox" / "m.md").read_text() == "kept"
    assert "No changes." in instance.run("plan").out


def test_however_many_mailboxes_somebody_names_by_their_domain_may_go(instance):
    boxes = [f"box{number}@b.example" for number in range(9)]
    declare(instance, "postmaster@example.com", *boxes)
    apply(instance)

    assert instance.run("domains", "remove", "b.example", "--force", "--yes").exit == Exit.DONE


def test_what_is_protected_does_not_go_with_its_domain(instance):
    protected = '\n[mailboxes."x@b.example"]\nlifecycle = { protect = true }\nowner = '
    declare(instance, "postmaster@example.com", rest=f'{protected}"{instance.owner}"\n')
    apply(instance)
    before = instance.tree()

    ended = instance.run("domains", "remove", "b.example", "--force", "--yes")

    assert ended.exit == Exit.REFUSED
    assert "mailbox/x@b.example is protected by its lifecycle" in ended.err
    assert instance.tree() == before


@pytest.mark.parametrize("words", [(), ("--force",)], ids=["", "force"])
def test_the_last_domain_is_never_removed(applied, words):
    before, roots = applied.tree(), applied.roots

    ended = applied.run("domains", "remove", "example.com", "--yes", *words)

    assert (ended.exit, ended.err) == (
        Exit.ERROR,
        "aimx domains: cannot remove 'example.com': it is the last configured domain. An AIMX"
        " install must have at least one domain. For a full teardown stop the daemon and delete"
        f" {roots.config} and {roots.data}, all keys and all mail with them.\n",
    )
    assert applied.tree() == before


@pytest.mark.parametrize(
    ("does", "remedy"),
    [
        ("remove", "'aimx domains list' lists those that are"),
        ("set-default", "add it with 'aimx domains add c.example'"),
    ],
)
def test_a_domain_that_is_not_configured_is_told(applied, does, remedy):
    ended = applied.run("domains", does, "c.example", "--yes")

    assert ended.exit == Exit.ERROR
    assert ended.err == f"aimx domains: domain 'c.example' is not in 'domains'; {remedy}.\n"


def test_a_removal_waits_for_a_yes(instance):
    declare(instance, "postmaster@example.com")
    apply(instance)
    before = instance.tree()

    assert instance.run("domains", "remove", "b.example").exit == Exit.REFUSED
    assert instance.run("domains", "remove", "b.example", "--dry-run").exit == Exit.DONE
    assert instance.tree() == before


def test_what_another_mailbox_has_of_a_domain_goes_with_it(instance):
    aliased = f'owner = "{instance.owner}"\naliases = ["me@b.example", "i@example.com"]\n'
    rest = f'\n[mailboxes."x@example.com"]\n{aliased}\n[[moved]]\nfrom = "mailbox/o@example.com"\n'
    declare(instance, "y@b.example", rest=f'{rest}to = "mailbox/y@b.example"\n')
    apply(instance)

    refused = instance.run("domains", "remove", "b.example", "--yes")
    ended = instance.run("domains", "remove", "b.example", "--force", "--yes")

    assert "  1. me@b.example, an alias of x@example.com\n" in refused.err
    assert (ended.exit, ended.err) == (Exit.DONE, "")
    assert 'aliases = ["i@example.com"]' in instance.manifest.read_text()
    assert "moved" not in instance.manifest.read_text()


def test_what_stands_in_fragments_is_taken_out_there(instance):
    declare(instance, "postmaster@example.com", top='domains = ["example.com"]\n')
    listed = fragment(instance, "b.toml", 'domains = ["b.example"]  # B.\n')
    boxes = f'# Theirs.\n[mailboxes."x@b.example"]\nowner = "{instance.owner}"\n\n# End.\n'
    kept = fragment(instance, "a.toml", boxes)
    apply(instance)
    before = instance.manifest.read_bytes()

    ended = instance.run("domains", "remove", "b.example", "--force", "--yes")

    assert (ended.exit, ended.err) == (Exit.DONE, "")
    assert instance.manifest.read_bytes() == before
    assert listed.read_text() == "domains = []  # B.\n"
    assert kept.read_text() == "# Theirs.\n# End.\n"


def test_a_domain_becomes_the_default_one(instance):
    declare(instance, "postmaster@example.com", "postmaster@b.example")
    apply(instance)

    ended = instance.run("domains", "set-default", "b.example", "--yes")

    assert (ended.exit, ended.err) == (Exit.DONE, "")
    assert ended.out.endswith("The default domain is b.example.\n")
    assert instance.manifest.read_text().startswith(
        '# Ours.\ndomains = ["b.example", "example.com"]\n'
    )


def test_the_default_domain_stays_while_a_name_leans_on_it(instance):
    declare(instance, "postmaster", "x@b.example")
    apply(instance)
    before = instance.tree()

    moved = instance.run("domains", "set-default", "b.example", "--yes")
    gone = instance.run("domains", "remove", "example.com", "--force", "--yes")

    assert (moved.exit, gone.exit) == (Exit.ERROR, Exit.ERROR)
    assert "`aimx fmt --canonical`" in moved.err
    assert "`aimx fmt --canonical`" in gone.err
    assert instance.tree() == before


def test_a_fragments_domain_is_made_the_default_by_hand(instance):
    declare(instance, "postmaster@example.com", top='domains = ["example.com"]\n')
    fragment(instance, "b.toml", 'domains = ["b.example"]\n')
    apply(instance)

    ended = instance.run("domains", "set-default", "b.example", "--yes")

    assert ended.exit == Exit.ERROR
    assert "comes behind" in ended.err


def test_while_a_generation_is_pinned_the_lines_to_write_are_told(applied):
    applied.run("rollback", "1", "--yes")

    ended = applied.run("domains", "add", "b.example", "--yes")

    assert '-domains = ["example.com"]\n+domains = ["example.com", "b.example"]\n' in ended.err


def test_a_removal_that_was_killed_is_finished_though_something_else_waits(instance):
    declare(instance, "postmaster@example.com", "old@example.com", "x@b.example")
    apply(instance)
    declare(instance, "postmaster@example.com", "x@b.example")
    ours = Instance.of(instance.roots)
    proposed, shown = ours.proposing(RemoveDomain("b.example", force=True), Consent(withheld=True))
    hands = Hands(ours.host, Alone(ours.host, ours.roots))

    proposed.written(shown.plan, hands, ours.roots)  # After which it is killed.
    review = ours.review(ours.in_force(), Consent(withheld=True))

    going = {change.address for change in review.plan.changes if removes(change)}
    assert going == {"dkim/b.example/aimx", "domain/b.example", "mailbox/x@b.example"}
    assert review.plan.blocked == ()


def test_the_default_domain_is_told_that_it_is_the_default(applied):
    before = applied.tree()

    ended = applied.run("domains", "set-default", "example.com", "--yes")

    assert (ended.exit, ended.err) == (
        Exit.ERROR,
        "aimx domains: domain 'example.com' is the default domain already.\n",
    )
    assert applied.tree() == before


def test_no_user_can_help_himself_in_a_domain_that_is_removed(instance):
    rest = '[policy]\nself_service = { enabled = true, domains = ["example.com", "B.example"] }\n'
    instance.declare("postmaster@example.com", rest=rest)
    text = instance.manifest.read_text()
    instance.manifest.write_text(text.replace('["example.com"]', '["example.com", "b.example"]'))
    assert instance.run("apply", "--yes").exit == Exit.DONE

    ended = instance.run("domains", "remove", "b.example", "--yes")

    assert (ended.exit, ended.err) == (Exit.DONE, "")
    assert 'self_service = { enabled = true, domains = ["example.com"] }' in (
        instance.manifest.read_text()
    )
