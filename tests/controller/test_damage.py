"""Every file that aimx leaves behind, damaged in every way: a clear word, and mail goes on.

The suite tries a part of it, the same each time; another `AIMX_SEED` tries another part, and with
`AIMX_DAMAGE=every` each octet of each file has its turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import os
import pwd
import random
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pytest

from aimx.cli.main import main
from aimx.controller.activation import Running
from aimx.controller.compiled import Compiled
from aimx.controller.findings import valid
from aimx.controller.instance import Instance
from aimx.controller.loop import Controller
from aimx.controller.planner import OwnThread
from aimx.controller.state import State
from aimx.controller.watched import Watched
from aimx.doors.exits import Exit
from aimx.processes.beginning import begun
from aimx.processes.opening import UnservableError, require_our_layout, said
from reconcilers.roots import Roots

EVERY = os.environ.get("AIMX_DAMAGE") == "every"
SEED = os.environ.get("AIMX_SEED", "1")
HANGING = 60  # Seconds.
OWNER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
LETTER = "data/a.example/inbox/info/2026-01-02-030405-hello.md"

LOOKS = (
    ["plan"],
    ["status"],
    ["history"],
    ["history", "show", "1"],
    ["history", "show", "2"],
    ["diff"],
    ["diff", "1", "2"],
    ["validate"],
    ["explain", "mailbox/info@a.example"],
    ["graph"],
    ["tombstones", "list"],
    ["tombstones", "restore", "gone@a.example"],
    ["rollback", "1", "--plan"],
    ["rollback", "2", "--plan"],
    ["plan", "--json"],
    ["status", "--json"],
    ["history", "--json"],
    ["fmt", "--check"],
)
# Those of a command that meets damage; the others mean something else.
ENDS = {Exit.DONE, Exit.ERROR, Exit.STALE, Exit.REFUSED, Exit.PARTIAL, Exit.INVALID}

Damage = Callable[[Path], object]


# What may become of a file as a whole.


def replaced_by(make: Damage) -> Damage:
    def damage(path: Path) -> None:
        path.unlink()
        make(path)

    return damage


def full(path: Path) -> None:
    path.mkdir()
    (path / "something").touch()


def zeros(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100 * 2**20)


WHOLE: dict[str, Damage] = {
    "gone": Path.unlink,
    "empty": replaced_by(Path.touch),
    "directory": replaced_by(Path.mkdir),
    "full directory": replaced_by(full),
    "fifo": replaced_by(os.mkfifo),
    "link elsewhere": replaced_by(lambda path: path.symlink_to("/etc/hostname")),
    "link nowhere": replaced_by(lambda path: path.symlink_to("nowhere")),
    "link to itself": replaced_by(lambda path: path.symlink_to(path.name)),
    "unreadable": lambda path: path.chmod(0),
    "zeros": replaced_by(zeros),
    "nested": lambda path: path.write_bytes(b"[" * 100_000),
    "doubled": lambda path: path.write_bytes(path.read_bytes() * 2),
    "noise": lambda path: path.write_bytes(random.Random(1).randbytes(4096)),
    "null": lambda path: path.write_bytes(b"null\n"),
    "list": lambda path: path.write_bytes(b"[1]\n"),
    "object": lambda path: path.write_bytes(b"{}\n"),
    "number": lambda path: path.write_bytes(b"9" * 5000 + b"\n"),
}


# What may become of one octet.


def cut(content: bytes, at: int) -> bytes:
    return content[:at]


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :]


def nul(content: bytes, at: int) -> bytes:
    return content[:at] + b"\0" + content[at + 1 :]


OCTET = {"cut": cut, "flipped": flipped, "nul": nul}


def at(place: int, change: Callable[[bytes, int], bytes]) -> Damage:
    return lambda path: path.write_bytes(change(path.read_bytes(), place))


# The instance, and how it is looked at.


@dataclass
class Engine:
    """What the processes would run on."""

    committed: Compiled
    prepared: Compiled | None = None

    async def prepare(self, compiled: Compiled) -> None:
        self.prepared = compiled

    async def commit(self) -> None:
        assert self.prepared is not None
        self.committed, self.prepared = self.prepared, None

    async def drop(self) -> None:
        self.prepared = None


Kept = dict[str, tuple[os.stat_result, bytes | None]]


@dataclass
class Trials:
    """An instance that is put back to how it was before each damage, and what was found amiss."""

    base: Path
    chance: random.Random
    kept: Kept = field(default_factory=dict)
    first: Compiled | None = None
    amiss: list[str] = field(default_factory=list)
    _now: str = ""

    @property
    def instance(self) -> Instance:
        config, data, run = (PurePosixPath(self.base / name) for name in ("config", "data", "run"))
        return Instance.of(Roots(config, data, run, config / "manifest.toml"))

    def keep(self, *left: tuple[str, str]) -> None:
        """From now on this is how it was, with files that whoever was killed left."""
        self.first = self._start()
        for name, content in left:
            (self.base / name).write_text(content)
        self.kept = {
            str(path.relative_to(self.base)): (
                path.lstat(),
                path.read_bytes() if path.is_file() else None,
            )
            for path in sorted(self.base.rglob("*"))
        }

    def begin(self, *files: str) -> None:
        """The same part is tried whichever test came before."""
        self.amiss.clear()
        self.chance.seed(f"{SEED} {files}")

    def restore(self) -> None:
        for path in self.base.iterdir():
            shutil.rmtree(path)
        for name, (found, content) in self.kept.items():
            path = self.base / name
            path.mkdir() if content is None else path.write_bytes(content)
            os.chown(path, found.st_uid, found.st_gid)
            path.chmod(stat.S_IMODE(found.st_mode))

    def files(self, *names: str) -> dict[str, bytes]:
        """All but mail, or those named."""
        return {
            name: content
            for name, (_, content) in self.kept.items()
            if content is not None and (PurePosixPath(name).name in names if names else True)
            if not name.startswith("data/a.example/") and "/inbox/" not in name
        }

    def run(self, name: str, what: str, damage: Damage, looks: list[list[str]]) -> None:
        self._now = f"{name}, {what}"
        path = self.base / name
        for trial in (self._served, lambda path: self._commanded(path, looks)):
            self.restore()
            damage(path)
            with self._guarded():
                trial(path)
            # A manifest may by now say another name, and the mail of the one that left is aside.
            if not any(self.base.rglob(PurePosixPath(LETTER).name)):
                self._wrong("mail is gone")

    def _served(self, path: Path) -> None:
        """A daemon that runs, and one that is started afterwards."""
        assert self.first is not None
        engine = Engine(self.first)
        complaint = asyncio.run(self._turned(engine))
        self._takes_mail("the running daemon", engine.committed)
        if "internal error" in complaint:
            self._wrong(f"a turn ended in {complaint}")
        try:
            self._takes_mail("a new daemon", self._start())
        except UnservableError as cause:
            # What an unknown layout means for where mail belongs, nobody can tell.
            if path.name != ".layout-version" or str(path) not in str(cause):
                self._wrong(f"no daemon starts: {cause}")

    def _commanded(self, path: Path, looks: list[list[str]]) -> None:
        """What commands say without a daemon, and what an apply leads to."""
        for words in looks:
            self._command(*words)
        # A pin that is gone is none: what was rolled back is not declared any more.
        rolls_on = path.name == "pin.json" and not os.path.lexists(path)
        code, told = self._command("apply", "--yes")
        if code != Exit.DONE and path.name not in "".join(told.split()):
            self._wrong(f"apply ends with {code} and does not name the file: {told}")
        # It obeys what the latter says.
        if path.name not in (".layout-version", "manifest.toml") and not rolls_on:
            self._takes_mail("a daemon after the apply", self._start())

    def _start(self) -> Compiled:
        instance = self.instance
        desired = said(instance)
        require_our_layout(instance)
        return begun(instance, desired, State.after(instance), Watched())

    async def _turned(self, engine: Engine) -> str:
        instance = self.instance
        state, loop = State.after(instance), asyncio.get_running_loop()
        running = Running(engine, loop, instance.host, instance.roots, lambda: engine.committed)
        planner = OwnThread(instance, running)
        await Controller(instance, planner, lambda: engine.committed, state).turn()
        found = state.conditions.by_type.get("Converged")
        return found.message if found else ""

    def _takes_mail(self, who: str, compiled: Compiled) -> None:
        assert self.first is not None
        lost = self.first.snapshot.routes.keys() - compiled.snapshot.routes.keys()
        if lost:
            self._wrong(f"{who} takes no mail for {sorted(lost)}")

    def _command(self, *words: str) -> tuple[int, str]:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            code = main(words)
        told = out.getvalue()
        unforeseen = any(word in told for word in ("Traceback", "AIMX_DEBUG", "internal error"))
        if code not in ENDS or unforeseen or not told.strip():
            self._wrong(f"{' '.join(words)} ends with {code}: {told}")
        return code, told

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        signal.alarm(HANGING)
        try:
            yield
        except (Exception, TimeoutError) as cause:  # noqa: BLE001 - each is a defect to be told
            self._wrong(f"{type(cause).__name__}: {cause}")
        finally:
            signal.alarm(0)
            gc.enable()  # A command ends its process, and so collects nothing.

    def _wrong(self, what: str) -> None:
        self.amiss.append(f"{self._now}: {what}")


def declare(base: Path, *names: str) -> None:
    tables = "".join(f'[mailboxes."{name}@a.example"]\nowner = "{OWNER}"\n' for name in names)
    (base / "config" / "manifest.toml").write_text(f'domains = ["a.example"]\n{tables}')


def hanging(number: int, frame: object) -> None:
    raise TimeoutError("it hangs")


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    """Of an instance after three generations, with a tombstone and what a killed apply leaves."""
    base = tmp_path_factory.mktemp("damage")
    names = ("config", "data", "run")
    with pytest.MonkeyPatch.context() as patch:
        for name, variable in zip(names, ("CONFIG", "DATA", "RUNTIME"), strict=True):
            (base / name).mkdir()
            patch.setenv(f"AIMX_{variable}_DIR", str(base / name))
        patch.delenv("AIMX_DEBUG", raising=False)
        made = Trials(base, random.Random(SEED))
        declare(base, "info", "gone")
        apply = ("apply", "--yes", "--allow-removals", "1")
        assert made._command(*apply)[0] == Exit.DONE
        (base / "data/a.example/inbox/gone/letter.md").touch()
        declare(base, "info")
        assert made._command(*apply)[0] == Exit.DONE
        (base / LETTER).write_text('+++\nid = "2026-01-02-030405-hello"\n+++\n')
        state = State.after(made.instance)
        state.found(valid(made.instance.in_force()))
        state.save()
        holder = '{"pid": 1, "uid": 0, "command": "x", "since": "2026-01-01T00:00:00+00:00"}\n'
        consent = '{"of": "x", "removals": ["readme"]}\n'
        made.keep(("data/.aimx/lock.holder", holder), ("data/.aimx/consent.json", consent))
        assert len(made.files("lock.holder", "consent.json")) == 2
        assert made.amiss == []
        former = signal.signal(signal.SIGALRM, hanging)
        yield made
        signal.signal(signal.SIGALRM, former)


@pytest.fixture
def intended(trials: Trials) -> Iterator[Trials]:
    """The same instance, with a pin and a suspension."""
    before = trials.kept, trials.first
    trials.restore()
    assert trials._command("rollback", "1", "--yes")[0] == Exit.DONE
    assert trials._command("suspend", "--for", "2h")[0] == Exit.DONE
    trials.keep()
    yield trials
    trials.kept, trials.first = before


def whole(trials: Trials, files: dict[str, bytes], looks: int) -> None:
    trials.begin(*files)
    for name in files:
        for what in WHOLE if EVERY else trials.chance.sample(sorted(WHOLE), 2):
            some = list(LOOKS) if EVERY else trials.chance.sample(LOOKS, looks)
            trials.run(name, what, WHOLE[what], some)
    assert trials.amiss == [], f"AIMX_SEED={SEED}"


def octets(trials: Trials, files: dict[str, bytes]) -> None:
    """Damage at either end of a file, and somewhere in it."""
    trials.begin(*files)
    for name, content in files.items():
        size = len(content)
        ends = (range(size)[:64], range(size)[-64:], range(size))
        for what in OCTET if EVERY else trials.chance.sample(sorted(OCTET), 1):
            some = [trials.chance.choice(ends[trials.chance.randrange(3)])] if size else []
            for place in range(size) if EVERY else some:
                look = trials.chance.choice(LOOKS)
                trials.run(name, f"{what} at {place}", at(place, OCTET[what]), [look])
    assert trials.amiss == [], f"AIMX_SEED={SEED}"


def test_whatever_becomes_of_a_file_mail_goes_on(trials: Trials) -> None:
    whole(trials, trials.files(), 3)


def test_whatever_becomes_of_an_octet_mail_goes_on(trials: Trials) -> None:
    octets(trials, trials.files())


def test_whatever_becomes_of_an_intent_mail_goes_on(intended: Trials) -> None:
    files = intended.files("pin.json", "suspension.json")

    assert len(files) == 2
    whole(intended, files, 3)
    octets(intended, files)
