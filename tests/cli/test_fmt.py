import os
import stat

import pytest

UNTIDY = 'domains=["example.com"]#Ours.\n[mailboxes."postmaster@example.com"]\nowner="{owner}"\n'
TIDY = (
    'domains = ["example.com"]  #Ours.\n\n[mailboxes."postmaster@example.com"]\nowner = "{owner}"\n'
)
OLDER = 'domain = "example.com"\n\n[mailboxes.postmaster]\nowner = "{owner}"\n'


@pytest.fixture
def untidy(instance):
    instance.manifest.write_text(UNTIDY.format(owner=instance.owner))
    return instance


def test_the_manifest_is_formatted_in_its_place(untidy):
    untidy.manifest.chmod(0o640)

    ended = untidy.run("fmt")

    assert (ended.exit, ended.out, ended.err) == (0, f"{untidy.manifest}\n", "")
    assert untidy.manifest.read_text() == TIDY.format(owner=untidy.owner)
    assert stat.S_IMODE(untidy.manifest.stat().st_mode) == 0o640
    assert os.listdir(untidy.manifest.parent) == ["manifest.toml"]


def test_what_is_formatted_is_not_written_again(untidy):
    untidy.run("fmt")
    before = untidy.manifest.stat()

    ended = untidy.run("fmt")

    assert (ended.exit, ended.out) == (0, "")
    assert untidy.manifest.stat() == before


def test_a_check_names_what_would_change_and_writes_nothing(untidy):
    before = untidy.tree()

    ended = untidy.run("fmt", "--check")

    assert (ended.exit, ended.out) == (1, f"{untidy.manifest} would change\n")
    assert untidy.tree() == before


def test_a_check_of_what_is_formatted_is_silent(untidy):
    untidy.run("fmt")

    ended = untidy.run("fmt", "--check")

    assert (ended.exit, ended.out, ended.err) == (0, "", "")


def test_fragments_are_formatted_too(untidy):
    fragment = untidy.manifest.with_suffix(".d") / "more.toml"
    fragment.parent.mkdir()
    fragment.write_text('domains=["b.example"]')

    ended = untidy.run("fmt")

    assert ended.out == f"{untidy.manifest}\n{fragment}\n"
    assert fragment.read_text() == 'domains = ["b.example"]\n'


def test_older_shapes_are_written_in_full(instance):
    instance.manifest.write_text(OLDER.format(owner=instance.owner))

    ended = instance.run("fmt", "--canonical")

    assert ended.exit == 0
    assert instance.manifest.read_text() == TIDY.replace("  #Ours.", "").format(
        owner=instance.owner
    )


def test_what_cannot_be_written_in_full_is_named(instance):
    instance.manifest.write_text(
        f'domains = ["example.com"]\nmailboxes = {{ info = {{ owner = "{instance.owner}" }} }}\n'
    )

    ended = instance.run("fmt", "--canonical")

    assert ended.exit == 0
    assert ended.err == (
        f"{instance.manifest}:2:15: `mailboxes.info` stands in one line with its table;"
        " write it by its address by hand\n"
    )


@pytest.mark.parametrize("more", [[], ["--check"], ["--canonical"]], ids=" ".join)
def test_a_manifest_that_cannot_be_read_is_left_as_it_is(untidy, more):
    untidy.manifest.write_text("domains = [\n")
    before = untidy.tree()

    ended = untidy.run("fmt", *more)

    assert ended.exit == 8
    assert f"{untidy.manifest}:2:1: error: " in ended.err
    assert untidy.tree() == before


def test_a_manifest_that_makes_no_sense_is_formatted_but_not_written_in_full(untidy):
    untidy.manifest.write_text('domain="a.com"\ndomains=["a.com"]\n')

    in_full = untidy.run("fmt", "--canonical")
    formatted = untidy.run("fmt")

    assert (in_full.exit, formatted.exit) == (8, 0)
    assert untidy.manifest.read_text() == 'domain = "a.com"\ndomains = ["a.com"]\n'


def test_a_symbolic_link_stays_one(untidy):
    real = untidy.base / "real.toml"
    untidy.manifest.rename(real)
    untidy.manifest.symlink_to("../real.toml")

    ended = untidy.run("fmt")

    assert ended.exit == 0
    assert untidy.manifest.is_symlink()
    assert real.read_text() == TIDY.format(owner=untidy.owner)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs uid 0")
def test_the_owner_stays(untidy):
    os.chown(untidy.manifest, 1234, 2345)

    untidy.run("fmt")

    found = untidy.manifest.stat()
    assert (found.st_uid, found.st_gid) == (1234, 2345)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_to_is_told(untidy):
    untidy.manifest.parent.chmod(0o555)

    ended = untidy.run("fmt")

    untidy.manifest.parent.chmod(0o755)
    assert ended.exit == 1
    assert ended.err == (
        f"aimx fmt: cannot write {untidy.manifest}: permission denied; it stays as it is.\n"
    )
