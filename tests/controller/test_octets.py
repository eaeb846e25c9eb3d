"""Every octet of every file that is read back: whoever reads it says so, or reads what it was.

One table names the files. What is read of a damaged one is what was read before, or as much as of
one that is empty, or an error of ours that tells which file it is; anything else needs a reason in
the table. Of the databases, which are large, the suite tries a part, and with `AIMX_DAMAGE=every`
all.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pwd
import random
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import structlog

from aimx.channel.placing import Due, Folder
from aimx.cli import saved
from aimx.cli.main import main
from aimx.controller import proofs, results
from aimx.controller.instance import Instance
from aimx.controller.last_good import last_good
from aimx.controller.state import State
from aimx.doors.exits import Exit
from aimx.outbound.keys import CallersKey, Settled, Standing
from aimx.outbound.once import known
from aimx.outbound.queue.aftercare.debts import Debts
from aimx.outbound.queue.census import census
from aimx.outbound.queue.database import Database, QueueError
from aimx.outbound.queue.ledger import Ledger, adopt
from aimx.outbound.queue.letters import Copy, File, Label, LetterError, Letters, Parcel
from aimx.outbound.queue.steering import Steering
from aimx.outbound.queue.telling import listed, shown
from aimx.outbound.tally import Tally
from aimx.placing.control import Take
from aimx.placing.database import RowsError
from aimx.placing.firings import Wanted
from aimx.placing.mailboxes import Place
from aimx.placing.rows import Row, Rows
from aimx.processes.opening import UnservableError, require_our_layout
from desired import manifest
from desired.problem import ManifestError, Source
from reconcilers import consent, generations, history, intents, journal, locks, tombstones
from reconcilers.applied import what_was_applied
from reconcilers.certificates import belongs_to
from reconcilers.host.host import ReconcileError
from reconcilers.host.local import LocalHost
from reconcilers.inscription import Record
from reconcilers.kinds.dkim import DkimReconciler
from reconcilers.kinds.readme import ReadmeReconciler
from reconcilers.reconciler import World
from reconcilers.report import saved as saved_plan
from reconcilers.roots import Roots

EVERY = os.environ.get("AIMX_DAMAGE") == "every"
SEED = os.environ.get("AIMX_SEED", "1")
PART = 400  # Of a database's octets that are not zero.

NAMES = ("config", "data", "run")
OWNER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
DISK = Path(__file__).parents[2] / "docs/disk.md"
TOLD = (
    ReconcileError,
    ManifestError,
    UnservableError,
    saved_plan.SavedPlanError,
    saved.FileError,
    QueueError,
    LetterError,
    RowsError,
    sqlite3.Error,
)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECONDS = NOW.timestamp()
PLACE = Place("a.example", Folder.INBOX, "info")
KEY = CallersKey(1000, "k")
PRINTS = tuple(bytes([number]) * 32 for number in range(4))


class Over:
    """The machine, but for what one file holds."""

    def __init__(self, host: LocalHost) -> None:
        self._host = host
        self.path: PurePosixPath | None = None
        self.content = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)

    def read(self, path: PurePosixPath) -> bytes | None:
        return self.content if path == self.path else self._host.read(path)

    def read_part(self, path: PurePosixPath, start: int, octets: int) -> bytes | None:
        if path != self.path:
            return self._host.read_part(path, start, octets)
        start = max(0, len(self.content) + start) if start < 0 else start
        return self.content[start : start + octets]


@dataclass
class House:
    """An instance with something in every file."""

    base: Path
    roots: Roots
    host: Any
    instance: Instance

    @classmethod
    def at(cls, base: Path) -> House:
        config, data, run = (PurePosixPath(base / name) for name in NAMES)
        roots = Roots(config, data, run, config / "manifest.toml")
        host = Over(LocalHost(roots))
        return cls(base, roots, host, Instance(roots, host, data))

    @cached_property
    def world(self) -> World:
        return what_was_applied(
            self.instance.read(self.instance.sources()).desired, self.host, self.roots
        )

    def observed(self, kind: Any) -> Any:
        return kind.observe(self.world)


Reader = Callable[[House, PurePosixPath], object]


# What is read of each file.


def the_manifest(house: House, path: PurePosixPath) -> object:
    if house.host.path is None:
        return house.instance.read(house.instance.sources()).desired
    return manifest.read([Source("manifest.toml", house.host.read(path))]).desired


def the_last_good(house: House, path: PurePosixPath) -> object:
    good = last_good(house.host, house.roots)
    return good and good.config


def the_marker(house: House, path: PurePosixPath) -> object:
    return require_our_layout(house.instance)


def a_key(house: House, path: PurePosixPath) -> object:
    """Which key the engine can sign with."""
    pair = house.observed(DkimReconciler())[f"a.example/{selector_of(path)}"]
    return pair.signs and pair.known_by


def a_public_key(house: House, path: PurePosixPath) -> object:
    return house.observed(DkimReconciler())[f"a.example/{selector_of(path)}"].follows


def selector_of(path: PurePosixPath) -> str:
    return "aimx-ed25519" if path.name.startswith("ed25519") else "aimx"


def the_certificate(house: House, path: PurePosixPath) -> object:
    cert, key = (house.host.read(house.roots.tls / name) for name in ("cert.pem", "key.pem"))
    return belongs_to(cert, key, "a.example")


def the_readme(house: House, path: PurePosixPath) -> object:
    return house.observed(ReadmeReconciler())


def who_holds_it(house: House, path: PurePosixPath) -> object:
    return locks._read(house.host, path)


def the_consent(house: House, path: PurePosixPath) -> object:
    return consent.said(house.world)


def the_proofs(house: House, path: PurePosixPath) -> object:
    return proofs.kept(house.host, house.roots)


def the_status(house: House, path: PurePosixPath) -> object:
    state = State.after(house.instance)
    return state.conditions, results.failure(house.host, house.roots, "readme")


def the_pin(house: House, path: PurePosixPath) -> object:
    return intents.load(house.host, house.roots, house.host.now()).pin


def the_suspension(house: House, path: PurePosixPath) -> object:
    return intents.load(house.host, house.roots, house.host.now()).suspension


def the_journal(house: House, path: PurePosixPath) -> object:
    """Whether what an apply left is synced before the next one."""
    number = int(path.stem)
    journal.is_applied(house.host, house.roots, "x", number)
    journal.position(house.host, house.roots)
    return journal.unfinished(house.host, house.roots)


def the_generation(house: House, path: PurePosixPath) -> object:
    return generations.load(house.host, house.roots, 1)


def the_plan(house: House, path: PurePosixPath) -> object:
    return history.plan_of(house.host, house.roots, 1)


def the_tombstone(house: House, path: PurePosixPath) -> object:
    """What a restore or a retention goes by."""
    (stone,) = tombstones.tombstones(house.host, house.roots)
    return stone.since, stone.record.address, stone.record.owner


def the_record(house: House, path: PurePosixPath) -> object:
    return Record.read(house.host.read(path))


def the_saved_plan(house: House, path: PurePosixPath) -> object:
    content = saved.read(str(path)) if house.host.path is None else house.host.read(path)
    return saved_plan.load(content, house.roots)


# The databases and the spool are read where they stand.


def the_queue(house: House, path: PurePosixPath) -> object:
    directory = Path(path).parent
    letters = Letters(directory / "spool")
    letters.open()

    def begun(connection: sqlite3.Connection) -> None:
        labels = [label for label in letters.labels() if isinstance(label, Label)]
        adopt(connection, labels, lambda _: False, SECONDS)

    database = Database(directory, begun)
    with contextlib.closing(database):
        ledger, steering, debts = Ledger(database, "run"), Steering(database), Debts(database)
        ledger.recover(SECONDS)
        ledger.names()
        ledger.wake(SECONDS)
        trips = ledger.due(SECONDS, frozenset(), frozenset(), 99)
        ledger.next_due(SECONDS)
        messages = steering.waiting(None, 99)
        listed(messages)
        for each in messages:
            shown(each, steering.events(each.id))
        for name in debts.owed():
            debts.message(name)
            debts.pending(name)
        steering.retry_all(None, SECONDS)
        census(directory)
        standing = ledger.known(KEY)
        if standing is not Standing.FRESH:
            known(standing)
        # Where one of them is sent, as the postman asks.
        return sorted(
            (trip.recipients, letters.content(trip.message.id, trip.recipients)) for trip in trips
        )


def a_letter(house: House, path: PurePosixPath) -> object:
    letters = Letters(Path(path).parent)
    labels = list(letters.labels())
    assert len(labels) == 1
    if isinstance(labels[0], LetterError):
        raise labels[0]
    with contextlib.suppress(LetterError):  # That is left where the content is damaged.
        letters.copy(labels[0].id)
    return labels[0], letters.content(labels[0].id)


def the_tally(house: House, path: PurePosixPath) -> object:
    tally = Tally(Path(path).parent)
    seen = []
    with contextlib.closing(tally):
        tally.count(
            "info@a.example", ["new@c.example"], NOW, lambda s: bool(seen.append((s.sends, s.adds)))
        )
        tally.forgive(1, NOW, lambda sends, firsts: True)
    return seen


def what_was_placed(house: House, path: PurePosixPath) -> object:
    rows = Rows(Path(path))
    wanted = Take(busy=(), finished=(), running=(), wanted=True)
    with contextlib.closing(rows):
        rows.unconfirmed()
        before = rows.before(PRINTS, NOW)
        rows.take(wanted)
        rows.record([Row(PRINTS[3], PLACE, "2026-01-02-z", 7, "m")], (), NOW)
        rows.save(NOW)
        rows.take(wanted)
        return before


# The table.


@dataclass(frozen=True)
class Kept:
    """A file, as `docs/disk.md` names it, and who reads it."""

    documented: str
    path: str  # Of one, below the instance.
    read: Reader
    otherwise: str = ""  # Why something else may be read of it that does no harm.
    database: bool = False


A = ".aimx"
ONE = "data/.aimx/generations/1"
DISPLAYED = "it is shown, and nothing is done by it"
OPERATORS = "what an operator writes is what it says"

FILES = (
    Kept("manifest.toml", "config/manifest.toml", the_manifest, OPERATORS),
    Kept("manifest.d/*.toml", "config/manifest.d/more.toml", the_manifest, OPERATORS),
    Kept("config.toml", "config/config.toml", the_last_good),
    Kept("dkim/<domain>/private.key", "config/dkim/a.example/private.key", a_key),
    Kept("dkim/<domain>/public.key", "config/dkim/a.example/public.key", a_public_key),
    Kept(
        "dkim/<domain>/ed25519-private.key",
        "config/dkim/a.example/ed25519-private.key",
        a_key,
        "any 32 octets are one; it is shown that the public key is another's",
    ),
    Kept(
        "dkim/<domain>/ed25519-public.key",
        "config/dkim/a.example/ed25519-public.key",
        a_public_key,
    ),
    Kept("tls/cert.pem", "config/tls/cert.pem", the_certificate),
    Kept("tls/key.pem", "config/tls/key.pem", the_certificate),
    Kept(".layout-version", "data/.layout-version", the_marker),
    Kept("README.md", "data/README.md", the_readme, "an agent reads it"),
    Kept("lock.holder", "data/.aimx/lock.holder", who_holds_it, DISPLAYED),
    Kept("consent.json", "data/.aimx/consent.json", the_consent),
    Kept("proofs.json", "data/.aimx/proofs.json", the_proofs, "another digest proves nothing"),
    Kept("status.json", "data/.aimx/status.json", the_status, DISPLAYED),
    Kept("pin.json", "data/.aimx/pin.json", the_pin),
    Kept("suspension.json", "data/.aimx/suspension.json", the_suspension),
    Kept("journal/<N>.jsonl", "data/.aimx/journal/2.jsonl", the_journal),
    Kept("generations/<N>/sources/", f"{ONE}/sources/1-manifest.toml", the_generation),
    Kept("generations/<N>/config.toml", f"{ONE}/config.toml", the_generation),
    Kept("generations/<N>/plan.json", f"{ONE}/plan.json", the_plan),
    Kept("generations/<N>/receipts.json", f"{ONE}/receipts.json", the_generation),
    Kept("generations/<N>/record.json", f"{ONE}/record.json", the_generation),
    Kept(
        "retiring/<name>@<domain>/tombstone.json",
        "data/.aimx/retiring/left@a.example/tombstone.json",
        the_record,
    ),
    Kept(
        "tombstones/<name>@<domain>.<N>/tombstone.json",
        "data/.aimx/tombstones/gone@a.example.2/tombstone.json",
        the_tombstone,
    ),
    Kept(
        "placed.db",
        "data/.aimx/placing/placed.db",
        what_was_placed,
        "what is sent again is kept twice, or is told of by another name",
        database=True,
    ),
    Kept("queue.db", "data/.aimx/out/queue.db", the_queue, database=True),
    Kept("tally.db", "data/.aimx/out/tally.db", the_tally, database=True),
    Kept("out/spool/<id>.letter", "data/.aimx/out/spool/1f.letter", a_letter, database=True),
    Kept("FILE of `aimx plan --out`", "saved.plan", the_saved_plan),
)

# Files that nobody reads back, but to show them as they are.
UNREAD = {
    "aimx.schema.json": "for editors",
    "dkim/<domain>/*private.key.<date>": "for whoever restores one",
    "lock": "the kernel holds it",
    "retiring/<domain>": "an empty directory",
    "aimx.sock": "a socket",
    "aimx.lock": "the kernel holds it",
    "aimx.lock.holder": "as lock.holder",
    "aimx.pid": "for a service manager",
    "hook-*.env": "for systemd",
}

TOP = """domains = ["a.example"]
[domain."a.example"]
dkim = { algorithms = ["rsa-sha256", "ed25519-sha256"] }
"""
LABEL = Label("1f", "info@a.example", ("b@c.example",), "m@a", "Hi", 5, False, SECONDS, "ab" * 32)
PARCEL = Parcel(LABEL, b"hello", Copy("2026-01-02-hi", b"rest", (File("a.txt", b"\0"),)))


def command(*words: str) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        assert main(list(words)) == Exit.DONE, out.getvalue()


def declare(base: Path, *names: str) -> None:
    tables = "".join(f'[mailboxes."{name}@a.example"]\nowner = "{OWNER}"\n' for name in names)
    (base / "config/manifest.toml").write_text(TOP + tables)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """After three generations, the last of them pinned."""
    base = tmp_path_factory.mktemp("octets")
    with pytest.MonkeyPatch.context() as patch:
        for name, variable in zip(NAMES, ("CONFIG", "DATA", "RUNTIME"), strict=True):
            (base / name).mkdir()
            patch.setenv(f"AIMX_{variable}_DIR", str(base / name))
        structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
        declare(base, "info", "gone")
        command("apply", "--yes")
        (base / "data/a.example/inbox/gone/2026-01-02-030405-hello.md").write_text("mail")
        declare(base, "info")
        command("apply", "--yes", "--allow-removals", "1")
        command("rollback", "1", "--yes")
        command("suspend", "--for", "2h")
        command("plan", "--out", str(base / "saved.plan"))
        made = House.at(base)
        fill(made)
        yield made
    structlog.reset_defaults()


def fill(house: House) -> None:
    """With what only a daemon or a killed apply leaves."""
    base, state = house.base, house.base / "data/.aimx"
    (base / "config/manifest.d").mkdir()
    (base / "config/manifest.d/more.toml").write_text('domains = ["b.example"]\n')
    holder = {"pid": 1, "uid": 0, "command": "x", "since": "2026-01-01T00:00:00Z"}
    (state / "lock.holder").write_text(json.dumps(holder))
    witness = consent.witness(house.world, ["mailbox/info@a.example", "readme"])
    (state / "consent.json").write_bytes(witness.content)
    State.after(house.instance).save()
    left = state / "retiring/left@a.example"
    left.mkdir()
    record = Record("left@a.example", OWNER, "left@a.example.3", delete=True)
    (left / "tombstone.json").write_bytes(record.content)
    letters = Letters(state / "out/spool")
    letters.open()
    letters.write([PARCEL])
    database = Database(state / "out", lambda _: None)
    ledger = Ledger(database, "run")
    ledger.enqueue(LABEL, lambda address: address.rpartition("@")[2], None)
    ledger.begin(KEY, SECONDS)
    ledger.settle(KEY, Settled("TEMP", "not now"))
    database.close()
    tally = Tally(state / "out")
    tally.count("info@a.example", ["b@c.example"], NOW, lambda _: True)
    tally.close()
    rows = Rows(state / "placing/placed.db")
    stems = ("2026-01-02-x", "2026-01-02-y")
    placed = [Row(PRINTS[n], PLACE, stem, n, "m") for n, stem in enumerate(stems)]
    due = Due(("notify",), b'{"from": "x"}')
    rows.record(
        placed, (), NOW, [Wanted(row.fingerprint, PLACE, row.stem, 1000, due) for row in placed]
    )
    rows.confirm([PRINTS[0]])
    rows.save(NOW)
    rows.close()
    for path in state.rglob("*.db"):
        with contextlib.closing(sqlite3.connect(path)) as whole:
            whole.execute("PRAGMA wal_checkpoint(TRUNCATE)")


# Damage.


def cut(content: bytes, at: int) -> bytes:
    return content[:at]


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1 :]


def nul(content: bytes, at: int) -> bytes:
    return content[:at] + b"\0" + content[at + 1 :]


def full(content: bytes, at: int) -> bytes:
    return content[:at] + b"\xff" + content[at + 1 :]


def line(content: bytes, at: int) -> bytes:
    return content[:at] + b"\n" + content[at:]


OCTET = (flipped, cut, nul, full, line)


def damaged(kept: Kept, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Every octet has its turn, in one way each time, or in all."""
    chance = random.Random(f"{SEED} {kept.path}")
    places = list(range(len(content)))
    if kept.database and not EVERY:
        places = [at for at in places if content[at]]
        places = chance.sample(places, min(PART, len(places)))
    for at in places:
        for change in OCTET if EVERY else (OCTET[(at + int(SEED)) % len(OCTET)],):
            yield f"{change.__name__} at {at}", change(content, at)


@dataclass(frozen=True)
class Told:
    """That it cannot be read, by an error of ours."""

    is_named: bool = True  # The error says which file it is.


def read(kept: Kept, house: House, path: PurePosixPath) -> object:
    try:
        found = kept.read(house, path)
    except TOLD as cause:
        return Told(is_named(kept, path, str(cause)))
    return Told() if isinstance(found, intents.Damaged) else found


def is_named(kept: Kept, path: PurePosixPath, told: str) -> bool:
    """Whoever names a file on the command line is told of it by that name, and the log of what
    became of a tally tells its path."""
    anyway = kept.read in (the_saved_plan, the_tally)
    return anyway or path.name in told or str(path.parent) in told


def planted(kept: Kept, house: House, content: bytes, place: Path) -> PurePosixPath:
    """Where it is read now: a database elsewhere, with what is beside it."""
    if not kept.database:
        house.host.path, house.host.content = PurePosixPath(house.base / kept.path), content
        return house.host.path
    shutil.rmtree(place, ignore_errors=True)
    origin = house.base / kept.path
    if origin.parent.name == "out":
        shutil.copytree(origin.parent / "spool", place / "spool")
    place.mkdir(exist_ok=True)
    (place / origin.name).write_bytes(content)
    return PurePosixPath(place / origin.name)


@pytest.mark.parametrize("kept", FILES, ids=lambda kept: kept.path)
def test_an_octet_that_is_another_is_told_or_does_no_harm(kept, house, tmp_path):
    content, amiss = (house.base / kept.path).read_bytes(), []

    def found(octets: bytes) -> object:
        return read(kept, house, planted(kept, house, octets, tmp_path / "place"))

    try:
        harmless = [found(content), found(b""), Told()]
        assert isinstance(harmless[0], Told) is False
        for what, octets in damaged(kept, content):
            try:
                seen = found(octets)
            except Exception as cause:  # noqa: BLE001 - each is a defect to be told
                amiss.append(f"{what}: {type(cause).__name__}: {cause}")
            else:
                if seen not in harmless and not kept.otherwise:
                    amiss.append(f"{what}: {seen}")
    finally:
        house.host.path = None

    assert amiss == [], f"AIMX_SEED={SEED}"


def zeros(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100 * 2**20)


WHOLE: dict[str, Callable[[Path], object]] = {
    "directory": Path.mkdir,
    "fifo": os.mkfifo,
    "link nowhere": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "link elsewhere": lambda path: path.symlink_to("/etc/hostname"),
    "nobody's": lambda path: path.touch(mode=0),
    "zeros": zeros,
    "nested": lambda path: path.write_bytes(b"[" * 100_000),
    "null": lambda path: path.write_bytes(b"null\n"),
    "number": lambda path: path.write_bytes(b"9" * 5000),
}


@pytest.mark.parametrize("kept", FILES, ids=lambda kept: kept.path)
def test_whatever_stands_in_the_place_of_a_file_is_read_without_a_defect(kept, house, tmp_path):
    chance = random.Random(f"{SEED} {kept.path}")
    for number, what in enumerate(WHOLE if EVERY else chance.sample(sorted(WHOLE), 4)):
        copy = House.at(tmp_path / str(number))
        shutil.copytree(house.base, copy.base)
        path = copy.base / kept.path
        copy.world  # noqa: B018 - as it was before
        path.unlink()
        WHOLE[what](path)

        read(kept, copy, PurePosixPath(path))


def test_no_file_is_forgotten(house):
    found = {
        str(path.relative_to(house.base))
        for path in house.base.rglob("*")
        if path.is_file() and not path.name.endswith((".md", "-wal", "-shm", "lock"))
    }
    known = {re.sub(r"/\d+[./]", "/N/", kept.path) for kept in FILES}

    assert {re.sub(r"/\d+[./]", "/N/", name) for name in found} - known == set()


def test_no_file_that_the_documents_name_is_forgotten():
    rows = re.findall(r"^\| (`[^|]*) \|", DISK.read_text(), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    files = {name for name in named if not name.endswith(("/", ".")) and ".../" not in name}

    assert files - {kept.documented for kept in FILES} - UNREAD.keys() == set()
