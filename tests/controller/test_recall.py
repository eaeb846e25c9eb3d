from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path, PurePosixPath

import pytest

from aimx.controller import recall
from aimx.controller.alone import Alone
from aimx.controller.instance import Instance
from aimx.controller.recall import recalled
from aimx.controller.watched import Watched
from desired.manifest import Reading, read
from reconcilers.consent import Consent
from reconcilers.generations import Who
from reconcilers.report.document import written
from reconcilers.roots import Roots

PLAIN = 'domains = ["b.example", "a.example"]\n'
FULL = (
    'domains = ["B.example", "a.example"]\ntrust = "verified"\ntrusted_senders = ["*@x.example"]\n'
    '[domain."a.example"]\nsignature = "häme"\ntrusted_senders = []\n'
    '[mailboxes."z@b.example"]\nowner = "{owner}"\naliases = ["y@a.example"]\n'
    '[mailboxes."nobody-there@a.example"]\nowner = "no-such-user"\n'
    '[[mailboxes."z@b.example".hooks]]\nevent = "on_receive"\ncmd = ["/bin/true", "a\\tb"]\n'
    '[smtp]\nbind = ["127.0.0.1:0"]\nidle_timeout = "90s"\n[policy]\nmax_removals = 7\n'
    '[[removed]]\naddress = "mailbox/old@b.example"\n'
)
LEGACY = 'domain = "b.example"\n'
OWNER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
ME = Who(0, "root", "test")


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    config, data, run = (PurePosixPath(tmp_path / name) for name in ("config", "data", "run"))
    (tmp_path / "config").mkdir()
    return Instance.of(Roots(config, data, run, config / "manifest.toml"))


def declare(instance: Instance, text: str) -> None:
    Path(instance.roots.manifest).write_text(text.replace("{owner}", OWNER))


def apply(instance: Instance, consent: Consent | None = None) -> None:
    alone = Alone(instance.host, instance.roots)
    done = instance.apply(None, alone, ME, consent or Consent(), Watched())
    assert not done.trouble


def had_again(instance: Instance) -> Reading | None:
    return recalled(instance.host, instance.roots, instance.sources(), exists(instance))


def exists(instance: Instance) -> Callable[[str], bool]:
    return lambda name: instance.host.account(name) is not None


@pytest.mark.parametrize("text", [PLAIN, FULL], ids=["plain", "full"])
def test_what_was_applied_is_had_again_as_it_would_be_read(instance: Instance, text: str) -> None:
    declare(instance, text)
    apply(instance)

    had = had_again(instance)

    anew = read(instance.sources(), owner_exists=exists(instance))
    assert had is not None
    assert had == anew
    assert had.owners == anew.owners
    for field in fields(anew.desired):  # Also what is no part of being equal.
        assert getattr(had.desired, field.name) == getattr(anew.desired, field.name)


@pytest.mark.parametrize("text", [PLAIN, FULL], ids=["plain", "full"])
@pytest.mark.parametrize("drifted", [False, True])
def test_a_plan_of_what_is_had_again_is_the_same_octet_by_octet(
    instance: Instance, text: str, *, drifted: bool
) -> None:
    declare(instance, text)
    apply(instance)
    if drifted:
        Path(instance.roots.data / "README.md").unlink()
    had = had_again(instance)
    anew = read(instance.sources(), owner_exists=exists(instance))

    assert had is not None
    plans = [instance.review(reading, Consent()).plan for reading in (had, anew)]

    assert written(plans[0]) == written(plans[1])
    assert bool(plans[0].changes) == (drifted or "no-such-user" in text)


@pytest.mark.parametrize("text", [PLAIN, FULL], ids=["plain", "full"])
def test_one_mailbox_more_is_had_without_reading_the_rest(instance: Instance, text: str) -> None:
    declare(instance, text)
    apply(instance)
    declare(instance, f'{text}\n[mailboxes."more@a.example"]\nowner = "{OWNER}"\n')

    had = had_again(instance)

    anew = read(instance.sources(), owner_exists=exists(instance))
    assert had is not None
    assert had == anew
    for field in fields(anew.desired):
        assert getattr(had.desired, field.name) == getattr(anew.desired, field.name)
    plans = [instance.review(reading, Consent()).plan for reading in (had, anew)]
    assert written(plans[0]) == written(plans[1])


def replaced(instance: Instance) -> None:
    declare(instance, PLAIN + "# A remark.\n")
    source = Path(instance.roots.generations / "1" / "sources" / "1-manifest.toml")
    source.write_bytes(source.read_bytes().replace(b"a.example", b"c.example"))


def edited(instance: Instance) -> None:
    declare(instance, PLAIN + '[smtp]\nbind = ["127.0.0.1:0"]\n')


def renamed(instance: Instance) -> None:
    fragments = Path(instance.roots.fragments)
    fragments.mkdir()
    (fragments / "none.toml").touch()


def writable(instance: Instance) -> None:
    Path(instance.roots.generations / "1" / "config.toml").chmod(0o620)


def damaged(instance: Instance) -> None:
    path = Path(instance.roots.generations / "1" / "config.toml")
    path.write_bytes(path.read_bytes().replace(b"max_removals = 5", b"max_removals = 6"))


def broken(instance: Instance) -> None:
    Path(instance.roots.generations / "1" / "record.json").write_text("{")


@pytest.mark.parametrize("happens", [edited, replaced, renamed, writable, damaged, broken])
def test_after_anything_else_the_manifest_is_read(
    instance: Instance, happens: Callable[[Instance], None]
) -> None:
    declare(instance, PLAIN)
    apply(instance)
    assert had_again(instance)

    happens(instance)

    assert had_again(instance) is None


def test_another_program_reads_the_manifest(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(instance, PLAIN)
    apply(instance)

    monkeypatch.setattr(recall, "program", lambda *packages: "another")

    assert had_again(instance) is None


def test_an_owner_who_came_lets_the_manifest_be_read(instance: Instance) -> None:
    declare(instance, FULL)
    apply(instance)

    had = recalled(instance.host, instance.roots, instance.sources(), lambda name: True)

    assert had is None


def test_a_manifest_of_an_older_shape_is_read(instance: Instance) -> None:
    declare(instance, LEGACY)
    apply(instance)

    assert had_again(instance) is None


def test_what_was_withheld_from_an_apply_is_not_forgotten(instance: Instance) -> None:
    declare(instance, FULL)
    apply(instance)
    declare(
        instance,
        FULL.replace('["B.example", "a.example"]', '["b.example", "a.example"]').replace(
            '[mailboxes."nobody-there@a.example"]\nowner = "no-such-user"\n', ""
        )
        + "[http]\nrate_per_minute = 7\n",
    )

    apply(instance, Consent(withheld=True))

    assert had_again(instance) is None
