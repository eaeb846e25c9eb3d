"""Whole instances as their users run them: the command, its processes, real sockets and files."""

from __future__ import annotations

import json
import os
import pwd
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Any, TypeAlias

import pytest
import tomli

from aimx.controller.sources import gather
from aimx.doors.socket import client
from aimx.testing.children import children
from aimx.testing.ports import ReservedPort
from aimx.testing.zone import Zone, serve_in_thread
from desired.problem import digest
from reconcilers.roots import Roots

PATIENCE = 60.0  # Seconds for what takes a fraction of one; only a failure waits so long.
AIMX = [sys.executable, "-m", "aimx"]


def owner() -> str:
    """Who owns the mailboxes: the user who runs the tests, and nobody for root."""
    return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def until(holds: Callable[[], Any], what: str) -> Any:
    """Wait until it holds, and give what it gave."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError(f"in vain: {what}")


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Whoever this process connects to sees that user; root alone can."""
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


@dataclass(frozen=True)
class Letter:
    """A stored message as its reader finds it."""

    path: Path
    fields: dict[str, Any]  # What stands between the first two lines that are exactly `+++`.
    body: str

    @classmethod
    def read(cls, path: Path) -> Letter:
        lines = path.read_text().split("\n")
        assert lines[0] == "+++", path
        end = lines.index("+++", 1)
        fields = tomli.loads("\n".join(lines[1:end]))
        assert fields["id"] == path.stem, path
        return cls(path, fields, "\n".join(lines[end + 1 :]))


@dataclass
class Instance:
    """Three directories, a manifest, and perhaps a daemon."""

    base: Path
    resolver: str  # Who answers its questions about names.
    variables: dict[str, str] = field(default_factory=dict)
    port: int = 0
    daemon: subprocess.Popen[bytes] | None = None
    held: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.reserve()
        self.lay_out()

    def reserve(self) -> None:
        """Take a port that nobody else gets; those before stay ours too."""
        self.port = self.held.enter_context(ReservedPort()).number

    def lay_out(self) -> None:
        for name in ("config", "data", "run"):
            (self.base / name).mkdir(parents=True, exist_ok=True, mode=0o755)
        # Service users must reach their directories through it.
        self.base.chmod(0o755)

    # What it is to be.

    @property
    def manifest(self) -> Path:
        return self.base / "config" / "manifest.toml"

    @property
    def data(self) -> Path:
        return self.base / "data"

    @property
    def state(self) -> Path:
        return self.data / ".aimx"

    def text(
        self,
        *mailboxes: str,
        domains: tuple[str, ...] = ("example.com",),
        top: str = "",
        smtp: str = "",
        rest: str = "",
    ) -> str:
        """A manifest with these mailboxes; `rest` comes last and may open tables of its own."""
        tables = "".join(f'[mailboxes."{name}"]\nowner = "{owner()}"\n' for name in mailboxes)
        return (
            f"domains = {json.dumps(list(domains))}\n{top}\n{tables}\n"
            f'[smtp]\nbind = ["127.0.0.1:{self.port}"]\n{smtp}\n'
            f'[dns]\nresolvers = ["{self.resolver}"]\n{rest}\n'
            # Whoever wants to be asked says where: one port cannot be everybody's.
            + ("" if "[metrics]" in rest else '[metrics]\nbind = ""\n')
        )

    def declare(self, *mailboxes: str, **parts: Any) -> None:
        """Write the manifest anew."""
        self.write(self.text(*mailboxes, **parts))

    def write(self, text: str) -> None:
        """Save the manifest as an editor does: beside it, and over it."""
        beside = self.manifest.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self.manifest)

    def rehearse(self) -> Path:
        """Let what it sends end in a directory; gives that."""
        drop = self.base.with_suffix(".drop")
        drop.mkdir()
        drop.chmod(0o777)
        self.variables["AIMX_TEST_MAIL_DROP"] = str(drop)
        return drop

    # Commands and the daemon.

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "AIMX_CONFIG_DIR": str(self.base / "config"),
            "AIMX_DATA_DIR": str(self.data),
            "AIMX_RUNTIME_DIR": str(self.base / "run"),
            **self.variables,
        }

    def aimx(
        self, *arguments: str, given: str = "", user: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*AIMX, *arguments],
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            user=user,
        )

    def apply(self, *arguments: str) -> None:
        done = self.aimx("apply", "--yes", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    def serve(
        self,
        log: IO[bytes] | None = None,
        through: Sequence[str] = (),
        command: str = "serve",
    ) -> None:
        """Start the daemon, maybe through a command, and wait until all its doors are open.

        `command`: another one that is a daemon.
        """
        self.begin(log, through, command)
        until(self.is_ready, "the daemon to be ready")

    def begin(
        self,
        log: IO[bytes] | None = None,
        through: Sequence[str] = (),
        command: str = "serve",
    ) -> None:
        """Start the daemon, and wait for nothing."""
        with log or self._log.open("ab") as stream:
            self.daemon = subprocess.Popen(
                [*through, *AIMX, command], env=self.environment, stdout=stream, stderr=stream
            )

    def is_ready(self) -> bool:
        """Whether all doors of the daemon are open, which must not have ended."""
        assert self.daemon is not None
        assert self.daemon.poll() is None, self.log
        try:
            written = (self.base / "run" / "aimx.pid").read_text()
        except OSError:
            return False
        return written == f"{self.daemon.pid}\n"

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.daemon is not None
        self.daemon.send_signal(number)
        code = self.daemon.wait(PATIENCE)
        self.daemon = None
        return code

    def ask(
        self, verb: str, headers: dict[str, str] | None = None, body: bytes = b"", *, uid: int = -1
    ) -> client.Ok | client.Err:
        """A request at the daemon's socket; as somebody else where root asks."""
        with acting_as(uid) if uid >= 0 else nullcontext():
            return client.call(str(self.base / "run" / "aimx.sock"), verb, headers or {}, body)

    def status(self) -> dict[str, Any]:
        reply = self.ask("STATUS")
        assert isinstance(reply, client.Ok), reply
        found: dict[str, Any] = reply.document
        return found

    def condition(self, kind: str) -> dict[str, str]:
        found: dict[str, dict[str, str]] = {
            each["type"]: each for each in self.status()["conditions"]
        }
        return found.get(kind, {"status": "", "reason": "", "message": ""})

    def has(self, kind: str, status: str) -> bool:
        return self.condition(kind)["status"] == status

    @property
    def is_at_rest(self) -> bool:
        """Whether the manifest as it is now was dealt with, and nothing of it is left to do."""
        told = self.status()
        number = told["generation"]
        config = self.base / "config" / "config.toml"
        compiled = config.read_text() if config.exists() else ""
        statuses = {each["type"]: each["status"] for each in told["conditions"]}
        return (
            told["settled"]
            and told["last_attempted"] == self._digest()
            and f"# generation {number}," in compiled
            and (told["engine_generation"] == number or statuses.get("EngineActive") == "Unknown")
            and (self.state / "generations" / str(number)).is_dir()
            and statuses.get("Converged") == "True"
        )

    def _digest(self) -> str:
        """Of the manifest as it is on disk."""
        config, data, run = (PurePosixPath(self.base / it) for it in ("config", "data", "run"))
        manifest = PurePosixPath(self.environment.get("AIMX_MANIFEST", config / "manifest.toml"))
        return digest(gather(Roots(config, data, run, manifest)))

    @property
    def _log(self) -> Path:
        return self.base.with_suffix(".log")

    @property
    def log(self) -> str:
        """All whole lines of it: who reads while one is written may see half of that."""
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return text[: text.rfind("\n") + 1]

    def processes(self) -> dict[int, str]:
        """The daemon's children: their pids and roles."""
        assert self.daemon is not None
        return children(self.daemon.pid)

    def pids(self, role: str) -> list[int]:
        return [pid for pid, found in self.processes().items() if found == role]

    # Mail.

    def session(self) -> smtplib.SMTP:
        """A client that has said EHLO."""
        client = smtplib.SMTP("127.0.0.1", self.port, "mail.example.org", timeout=PATIENCE)
        client.ehlo()
        return client

    def deliver(self, content: bytes, *recipients: str, sender: str = "a@example.org") -> int:
        """Send a message; gives the code of the reply to it, or of the RCPT that was refused."""
        with self.session() as session:
            assert session.mail(sender)[0] == 250
            for recipient in recipients:
                code = session.rcpt(recipient)[0]
                if code != 250:
                    return code
            return session.data(content)[0]

    def rcpt(self, recipient: str) -> int:
        """What is said to this recipient."""
        with self.session() as session:
            assert session.mail("a@example.org")[0] == 250
            return session.rcpt(recipient)[0]

    def accepts(self, recipient: str) -> bool:
        return self.rcpt(recipient) == 250

    def mailbox(self, address: str, folder: str = "inbox") -> Path:
        local, _, domain = address.partition("@")
        return self.data / domain / folder / ("catchall" if local == "*" else local)

    def letters(self, address: str, folder: str = "inbox") -> list[Letter]:
        return [Letter.read(path) for path in sorted(self.mailbox(address, folder).rglob("*.md"))]

    def letter(self, address: str, subject: str, folder: str = "inbox") -> Letter:
        """The one message with this subject."""
        found = [
            each for each in self.letters(address, folder) if each.fields["subject"] == subject
        ]
        assert len(found) == 1, [str(each.path) for each in found]
        return found[0]

    def leftovers(self) -> list[str]:
        """What stands under `spool/` and `placing/` and is no record of the placer's."""
        kept = ("lock", "placed.db")
        return [
            str(path.relative_to(self.state))
            for name in ("spool", "placing")
            for path in (self.state / name).rglob("*")
            if not path.name.startswith(kept)
        ]


Make: TypeAlias = Callable[..., Instance]


@contextmanager
def _making(resolver: str) -> Iterator[Make]:
    """Makes instances; ends their daemons afterwards.

    Not below pytest's directory, which every run of pytest closes to the service users anew.
    """
    made: list[Instance] = []
    with TemporaryDirectory(prefix="aimx-") as directory:
        Path(directory).chmod(0o755)

        def one(name: str = "one") -> Instance:
            instance = Instance(Path(directory) / name, resolver)
            made.append(instance)
            return instance

        try:
            yield one
        finally:
            for instance in made:
                instance.held.close()
                if instance.daemon is not None:
                    instance.daemon.kill()
                    instance.daemon.wait()
        for instance in made:
            if "Traceback" in instance.log:
                pytest.fail(f"what was not foreseen:\n{instance.log}")


@pytest.fixture(scope="session")
def nowhere() -> Iterator[str]:
    """A resolver that knows no name, so that no test asks the world."""
    with serve_in_thread(Zone({})) as resolver:
        yield resolver


@pytest.fixture
def make(nowhere: str) -> Iterator[Make]:
    with _making(nowhere) as made:
        yield made


@pytest.fixture(scope="module")
def make_for_all(nowhere: str) -> Iterator[Make]:
    """As `make`, for an instance that all tests of a module share."""
    with _making(nowhere) as made:
        yield made


@pytest.fixture
def instance(make: Make) -> Instance:
    return make()


@pytest.fixture(name="until", scope="session")
def waiting() -> Callable[[Callable[[], Any], str], Any]:
    return until
