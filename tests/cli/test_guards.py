"""What lets something go, or must not be seen, by itself changes nothing and shows nothing."""

from aimx.doors.exits import Exit

FLAGS = (
    (("plan", "--allow-removals", "9"), Exit.DONE),
    (("plan", "--purge"), Exit.DONE),
    (("plan", "--replace", "dkim/example.com/aimx"), Exit.DONE),
    (("apply", "--allow-removals", "9"), Exit.REFUSED),
    (("apply", "--purge"), Exit.REFUSED),
    (("apply", "--allow-removals", "9", "--purge"), Exit.REFUSED),
    (("rollback", "1", "--allow-removals", "9"), Exit.REFUSED),
    (("rollback", "1", "--allow-removals", "9", "--plan"), Exit.DONE),
)
EMPTIED = (
    ("", Exit.INVALID),
    ("# nothing\n", Exit.INVALID),
    ("domains = []\n", Exit.INVALID),
    ('domains = ["example.com"]\n', Exit.REFUSED),
    ('domains = ["example.com"]\n[policy]\nmax_removals = 1000\n', Exit.REFUSED),
    ('domains = ["another.example"]\n', Exit.REFUSED),
)
LOOKS = (
    ("validate",),
    ("plan",),
    ("plan", "--json"),
    ("plan", "--markdown"),
    ("graph",),
    ("apply", "--yes"),
    ("apply", "--yes", "--json"),
    ("status", "--json"),
    ("diff", "--json"),
    ("history", "--json"),
    ("history", "show", "1", "--json"),
    ("explain", "dkim/example.com/aimx"),
    ("explain", "config", "--json"),
)


def test_a_flag_that_lets_something_go_lets_nothing_go_by_itself(instance):
    instance.run("apply", "--yes")
    instance.declare("postmaster@example.com", "info@example.com")
    instance.run("apply", "--yes")
    instance.declare("postmaster@example.com")
    before = instance.tree()

    ended = [(words, instance.run(*words).exit) for words, _ in FLAGS]

    assert ended == list(FLAGS)
    assert instance.tree() == before


def test_a_manifest_that_was_emptied_removes_nothing(applied):
    before = applied.tree()

    for text, ended in EMPTIED:
        applied.manifest.write_text(text)
        assert (text, applied.run("apply", "--yes").exit) == (text, ended)

    applied.manifest.write_bytes(before["config/manifest.toml"])
    assert applied.tree() == before


def test_no_secret_is_in_what_is_kept_or_said(instance):
    password = instance.base / "password"
    password.write_text("CANARY-4711\n")
    relay = f'[outbound]\nrelay = "smtp://us@mx.example.net"\nrelay_password = "file:{password}"\n'
    instance.declare("postmaster@example.com", rest=relay)
    listed = instance.manifest.read_text().replace("]\n", ', "b.example"]\n', 1)
    instance.manifest.write_text(listed)
    saved = str(instance.base / "a.plan")

    said = [instance.run(*words) for words in LOOKS]
    said.append(instance.run("plan", "--out", saved))
    instance.manifest.write_text(listed.replace(', "b.example"', ""))
    said += [instance.run(*words) for words in LOOKS]
    said.append(instance.run("plan", "--replace", "dkim/example.com/aimx"))

    assert [each.exit for each in said if each.exit != Exit.DONE] == []
    secrets = {"CANARY-4711"}
    for name, content in instance.tree().items():
        if name.endswith(("private.key", "key.pem")):
            secrets |= {line for line in content.decode().split("\n") if len(line) > 40}
    assert len(secrets) > 60
    homes = ("private.key", "key.pem", "password")
    kept = [c.decode() for n, c in instance.tree().items() if not n.endswith(homes)]
    told = [text for each in said for text in (each.out, each.err)]
    assert [text for text in (*kept, *told) if any(secret in text for secret in secrets)] == []
