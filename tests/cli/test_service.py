import os
import re

import pytest

from aimx.doors.exits import Exit
from aimx.processes import installed
from aimx.processes.systemd import SystemdError
from reconcilers.host.local import LocalHost
from reconcilers.locks import daemon_lock

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has services")


class Played:
    """A systemd that does what it is told, or fails at one thing."""

    def __init__(self, fails: str = "", active: bool = False) -> None:
        self.runs = True
        self.release = 252
        self.heard: list[str] = []
        self._fails = fails
        self._active = active

    def is_active(self, name: str) -> bool:
        return self._active

    def make_users(self, path) -> None:
        self.tell("sysusers", path.name)

    def tell(self, *words: str) -> None:
        self.heard.append(" ".join(words))
        if words[0] == self._fails:
            raise SystemdError(f"`systemctl {' '.join(words)}`: no\x1b[2J.")


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tmp_path):
    """Has this one run the host; gives where its units are."""

    def begin(systemd: Played | None):
        monkeypatch.setattr(installed.Systemd, "found", lambda: systemd)
        units = tmp_path / "units"
        units.mkdir(exist_ok=True)
        monkeypatch.setattr(installed, "UNITS", units)
        monkeypatch.setattr(installed, "USERS", tmp_path / "sysusers.d")
        return units / "aimx.service"

    return begin


def test_the_unit_is_printed_on_any_host_and_before_anything_is_applied(instance, play) -> None:
    play(None)

    shown = instance.run("service", "install", "--print")

    assert (shown.exit, shown.err) == (Exit.DONE, "")
    assert f"--data-dir {instance.data} --runtime-dir {instance.roots.runtime}\n" in shown.out
    assert shown.out.endswith("WantedBy=multi-user.target\n")


def test_what_is_printed_is_what_is_installed_and_only_that(instance, play) -> None:
    play(None)

    refused = instance.run("service", "uninstall", "--print")

    assert refused.exit == Exit.USAGE
    assert "`--print` belongs to `install`" in refused.err


@pytest.mark.parametrize("what", ["install", "uninstall"])
def test_a_host_without_systemd_is_told_what_runs_the_server(applied, play, what: str) -> None:
    play(None)

    refused = applied.run("service", what)

    assert refused.exit == Exit.REFUSED
    assert "systemd does not run this host." in refused.err
    assert "`aimx serve`" in refused.err


@as_root
def test_nothing_is_installed_before_anything_is_applied(instance, play) -> None:
    systemd = Played()
    unit = play(systemd)

    refused = instance.run("service", "install")

    assert refused.exit == Exit.REFUSED
    assert "`aimx apply` first" in refused.err
    assert not unit.exists()
    assert systemd.heard == []


@as_root
def test_it_is_written_enabled_and_started(applied, play, tmp_path) -> None:
    systemd = Played()
    unit, users = play(systemd), tmp_path / "sysusers.d" / "aimx.conf"

    done = applied.run("service", "install")

    assert (done.exit, done.err) == (Exit.DONE, "")
    assert done.out.startswith(f"Wrote {users}.\nWrote {unit}.\n")
    assert unit.read_text() == applied.run("service", "install", "--print").out
    assert [path.stat().st_mode & 0o7777 for path in (unit, users)] == [0o644, 0o644]
    assert re.findall(r"^u (\S+) ", users.read_text(), re.M) == ["aimx-in", "aimx-out"]
    assert systemd.heard == ["sysusers aimx.conf", "daemon-reload", "enable --now aimx.service"]
    assert [each.name for each in unit.parent.iterdir()] == [unit.name]


@as_root
def test_one_that_runs_goes_on_until_somebody_restarts_it(applied, play) -> None:
    unit = play(Played())
    applied.run("service", "install")
    unit.write_text(f"{unit.read_text()}\n# Of another release.\n")
    play(Played(active=True))

    done = applied.run("service", "install")
    again = applied.run("service", "install")

    assert "`systemctl restart aimx`" in done.out
    assert "restart" not in again.out


@as_root
def test_somebody_elses_unit_is_neither_replaced_nor_removed(applied, play) -> None:
    systemd = Played()
    unit = play(systemd)
    unit.write_text("[Service]\nExecStart=/opt/mine\n")

    told = [applied.run("service", what) for what in ("install", "uninstall")]

    assert [each.exit for each in told] == [Exit.REFUSED] * 2
    assert all("was not written by this command" in each.err for each in told)
    assert unit.read_text() == "[Service]\nExecStart=/opt/mine\n"
    assert systemd.heard == []


@as_root
def test_who_serves_by_hand_is_told(applied, play) -> None:
    systemd = Played()
    unit = play(systemd)

    with daemon_lock(LocalHost(applied.roots), applied.roots, "aimx serve"):
        refused = applied.run("service", "install")

    assert refused.exit == Exit.REFUSED
    assert f"process {os.getpid()}" in refused.err
    assert "stop it" in refused.err
    assert not unit.exists()
    assert systemd.heard == []


@as_root
def test_what_systemd_says_is_told_and_moves_no_cursor(applied, play) -> None:
    play(Played(fails="enable"))

    failed = applied.run("service", "install")

    assert failed.exit == Exit.ERROR
    assert failed.err == "aimx service: `systemctl enable --now aimx.service`: no?[2J.\n"


@as_root
def test_it_is_stopped_before_it_is_removed(applied, play, tmp_path) -> None:
    systemd = Played()
    unit = play(systemd)
    applied.run("service", "install")
    systemd.heard.clear()

    gone = applied.run("service", "uninstall")
    again = applied.run("service", "uninstall")

    assert (gone.exit, again.exit) == (Exit.DONE, Exit.DONE)
    assert systemd.heard == ["disable --now aimx.service", "daemon-reload"]
    assert not unit.exists()
    assert list((tmp_path / "sysusers.d").iterdir()) == []
    assert "nothing was done" in again.out


@as_root
def test_users_that_the_manifest_names_are_made_instead(applied, play, tmp_path) -> None:
    play(Played())
    applied.declare(rest='[server]\nusers = { inbound = "receiving" }\n')

    applied.run("service", "install")

    text = (tmp_path / "sysusers.d" / "aimx.conf").read_text()
    assert re.findall(r"^u (\S+) ", text, re.M) == ["receiving", "aimx-out"]


@as_root
def test_a_manifest_that_is_invalid_installs_nothing(applied, play) -> None:
    systemd = Played()
    unit = play(systemd)
    applied.declare(rest="nonsense = 1\n")

    refused = applied.run("service", "install")

    assert (refused.exit, "`aimx validate`" in refused.err) == (Exit.REFUSED, True)
    assert (unit.exists(), systemd.heard) == (False, [])
