"""A small instance, and the command in this process."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from aimx.cli.main import main
from aimx.doors.exits import Exit
from reconcilers.roots import Roots


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    exit: int
    out: str
    err: str


@dataclass(frozen=True)
class Instance:
    """Three directories and a manifest, without a daemon."""

    base: Path
    capture: pytest.CaptureFixture[str]

    @property
    def manifest(self) -> Path:
        return self.base / "config" / "manifest.toml"

    @property
    def data(self) -> Path:
        return self.base / "data"

    @property
    def owner(self) -> str:
        """Who owns the mailboxes: the user who runs the tests, and nobody for root."""
        return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

    @property
    def roots(self) -> Roots:
        return Roots(
            PurePosixPath(self.base / "config"),
            PurePosixPath(self.data),
            PurePosixPath(self.base / "run"),
            PurePosixPath(self.manifest),
        )

    @property
    def flags(self) -> list[str]:
        return [
            *("--config-dir", str(self.base / "config")),
            *("--data-dir", str(self.data), "--runtime-dir", str(self.base / "run")),
        ]

    def declare(self, *mailboxes: str, rest: str = "") -> None:
        self.manifest.parent.mkdir(exist_ok=True, parents=True)
        tables = "".join(f'[mailboxes."{box}"]\nowner = "{self.owner}"\n' for box in mailboxes)
        self.manifest.write_text(f'domains = ["example.com"]\n{tables}{rest}')

    def run(self, *arguments: str) -> Ended:
        self.capture.readouterr()
        try:
            exit_code = main([*arguments, *self.flags])
        except SystemExit as ended:
            exit_code = int(str(ended.code))
        said = self.capture.readouterr()
        assert "AIMX_DEBUG" not in said.err
        return Ended(exit_code, said.out, said.err)

    def tree(self) -> dict[str, bytes]:
        """Every file below, by its path; the content of those that can be compared."""
        return {
            str(path.relative_to(self.base)): path.read_bytes() if path.is_file() else b""
            for path in sorted(self.base.rglob("*"))
        }


@pytest.fixture
def applied(instance: Instance) -> Instance:
    """Its manifest is applied, and has nothing but a postmaster."""
    assert instance.run("apply", "--yes").exit == Exit.DONE
    return instance


@pytest.fixture
def instance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Instance:
    """Nothing is applied yet."""
    made = Instance(tmp_path, capsys)
    made.declare("postmaster@example.com")
    return made
