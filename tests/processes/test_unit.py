import shutil
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from aimx.processes.unit import MARK, NAME, unit
from reconcilers.roots import Roots

USUAL = {"config": "/etc/aimx", "data": "/var/lib/aimx", "runtime": "/run/aimx"}


def told(release: int = 252, program: str = "/usr/bin/aimx", **places: str) -> list[str]:
    roots = {name: PurePosixPath(path) for name, path in {**USUAL, **places}.items()}
    manifest = roots.pop("manifest", roots["config"] / "manifest.toml")
    return unit(Roots(manifest=manifest, **roots), [program], release).splitlines()


def value(lines: list[str], name: str) -> str:
    (found,) = [line for line in lines if line.startswith(f"{name}=")]
    return found.partition("=")[2]


def test_it_serves_this_instance_and_writes_nowhere_else() -> None:
    lines = told()

    assert lines[0].startswith(MARK)
    assert value(lines, "ExecStart") == (
        "/usr/bin/aimx serve --config-dir /etc/aimx --data-dir /var/lib/aimx"
        " --runtime-dir /run/aimx"
    )
    assert value(lines, "ReadWritePaths") == "/etc/aimx /var/lib/aimx"
    assert value(lines, "RuntimeDirectory") == "aimx"
    assert value(lines, "RequiresMountsFor") == "/etc/aimx /var/lib/aimx"


@pytest.mark.parametrize(
    ("release", "kind", "reloads"),
    [(0, "notify", True), (252, "notify", True), (253, "notify-reload", False)],
)
def test_a_systemd_that_can_waits_for_the_end_of_a_reload(
    release: int, kind: str, reloads: bool
) -> None:
    lines = told(release)

    assert value(lines, "Type") == kind
    assert any(line.startswith("ExecReload=") for line in lines) is reloads


def test_no_place_is_named_below_another_one() -> None:
    lines = told(config="/srv/aimx", data="/srv/aimx/data", runtime="/srv/run")

    assert value(lines, "ReadWritePaths") == "/srv/aimx /srv/run"
    assert not any(line.startswith("RuntimeDirectory") for line in lines)


def test_a_manifest_elsewhere_can_be_edited_by_commands() -> None:
    lines = told(manifest="/srv/git/aimx.toml")

    assert value(lines, "ReadWritePaths") == "/etc/aimx /srv/git /var/lib/aimx"
    assert value(lines, "ExecStart").endswith(" --manifest /srv/git/aimx.toml")


@pytest.mark.parametrize(("data", "private"), [("/var/tmp/x", "no"), ("/var/tmpx", "yes")])
def test_what_is_below_a_temporary_directory_is_not_hidden(data: str, private: str) -> None:
    assert value(told(data=data), "PrivateTmp") == private


def test_words_that_mean_something_to_systemd_are_said_as_they_are() -> None:
    lines = told(program="/opt/a b/aimx", data='/srv/100%/$HOME/"q"\'s\\;')

    assert value(lines, "ExecStart").split(" serve ")[0] == '"/opt/a b/aimx"'
    assert '"/srv/100%%/$$HOME/\\"q\\"\'s\\\\;"' in value(lines, "ExecStart")
    assert '"/srv/100%%/$HOME/\\"q\\"\'s\\\\;"' in value(lines, "ReadWritePaths")


@pytest.mark.parametrize("name", ["program", "config", "manifest"])
def test_a_path_of_two_lines_stands_in_no_unit(name: str) -> None:
    with pytest.raises(ValueError, match="cannot stand in a unit"):
        told(**{name: "/a\nExecStartPre=/bin/rm"})


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is missing")
def test_systemd_has_nothing_to_say_about_it(tmp_path: Path) -> None:
    program = tmp_path / "a b%c"
    program.touch(0o755)
    path = tmp_path / NAME
    path.write_text("\n".join(told(program=str(program), data='/srv/100%/"q"\'s\\;')))

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )

    ours = [line for line in done.stderr.splitlines() if NAME in line]
    assert ours == []
