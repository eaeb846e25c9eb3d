import json
import subprocess
import sys
from cProfile import Profile

import pytest

from aimx.controller.instance import Instance
from aimx.doors.exits import Exit
from reconcilers.host.keys import new_private_key
from reconcilers.host.local import LocalHost
from reconcilers.locks import apply_lock
from reconcilers.signing import public_pem

# What only an engine, or an apply that makes keys, has use for.
UNNEEDED = {"cryptography", "asyncio", "structlog", "dns", "aiosmtpd", "watchfiles"}
# What only an edit of the manifest has use for.
UNNEEDED |= {"tomlkit", "tree_sitter"}

PROGRAM = """
import json, sys
from aimx.cli.main import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]))
"""


def loaded(instance, *arguments):
    """What a command has imported by its end."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments, *instance.flags],
        capture_output=True,
        text=True,
        check=True,
    )
    code, modules = json.loads(ended.stdout.splitlines()[-1])
    assert code == 0
    return set(modules)


def another_key(instance):
    """The operator puts another pair in place, and nothing is left to do about it."""
    home = instance.base / "config/dkim/example.com"
    private = new_private_key()
    (home / "private.key").write_bytes(private)
    (home / "public.key").write_bytes(public_pem(private, "rsa-sha256"))


def nonsense(instance):
    (instance.data / ".aimx/proofs.json").write_text("[]")


def anybody_may_write(instance):
    (instance.data / ".aimx/proofs.json").chmod(0o622)


def another_program(instance):
    path = instance.data / ".aimx/proofs.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"program": "another"}))


def test_a_plan_without_a_daemon_imports_nothing_of_the_engine(instance):
    instance.run("apply", "--yes")

    modules = loaded(instance, "plan")

    assert UNNEEDED & modules == set()
    assert not [name for name in modules if name.startswith(("aimx.smtp", "aimx.processes"))]


def test_a_key_that_was_seen_to_sign_is_not_tried_again(applied):
    applied.declare("postmaster@example.com", "one@example.com")

    assert "cryptography" not in loaded(applied, "apply", "--yes")


@pytest.mark.parametrize("happens", [another_key, nonsense, anybody_may_write, another_program])
def test_what_was_not_seen_to_work_is_tried_before_the_engine_config_names_it(applied, happens):
    happens(applied)
    applied.declare("postmaster@example.com", "one@example.com")

    assert "cryptography" in loaded(applied, "apply", "--yes")
    applied.declare("postmaster@example.com", "two@example.com")
    assert "cryptography" not in loaded(applied, "apply", "--yes", "--allow-removals", "1")


def test_an_edit_that_nobody_is_asked_about_is_planned_once(applied):
    applied.declare("postmaster@example.com", "one@example.com")
    told = applied.run("plan").out.partition("To do this")[0].rstrip()
    profile = Profile()

    ended = profile.runcall(applied.run, "apply", "--yes")

    reviews = [
        each.callcount for each in profile.getstats() if each.code is Instance.review.__code__
    ]
    assert reviews == [1]
    assert ended.exit == Exit.DONE
    assert ended.out.startswith(told)


def test_an_edit_is_not_planned_while_somebody_else_applies(applied):
    applied.declare("postmaster@example.com", "one@example.com")
    before = applied.tree()

    with apply_lock(LocalHost(applied.roots), applied.roots, "a test"):
        ended = applied.run("apply", "--yes")

    assert ended.exit == Exit.LOCKED
    assert "one@example.com" not in ended.out
    assert applied.tree().keys() == before.keys()
