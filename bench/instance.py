"""An aimx of its own for a measurement: directories, a manifest, free ports, perhaps a daemon."""

from __future__ import annotations

import os
import pwd
import signal
import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aimx.testing.ports import ReservedPort

HERE = Path(__file__).parent
AIMX = Path(sys.executable).with_name("aimx")
# On a disk, which /tmp need not be. And where many files come and go, as there, ext4 is slow to
# find an inode for a new one, since it avoids those that were freed in the last minutes.
GROUND = "/var/tmp"
PATIENCE = 60.0  # Seconds for what takes a few; only a failure waits so long.
# Nearly all that a client may do here is done by one address.
LIMITS = "max_connections = 1000\nmax_connections_per_ip = 1000"


def owner() -> str:
    """Who owns the mailboxes: whoever measures, and nobody for root."""
    return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.01)


def greets(port: int) -> bool:
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as session:
            return session.noop()[0] == 250
    except OSError:
        return False


def surroundings() -> dict[str, str]:
    """Ours, but Python keeps what it compiled: otherwise each start compiles all of aimx anew."""
    return {name: said for name, said in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@contextmanager
def ground(where: str = GROUND) -> Iterator[Path]:
    """A fresh directory that service users can reach, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="aimx-bench-", dir=where) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@dataclass
class Instance:
    base: Path
    variant: Sequence[str] = ()  # What `variant.py` is told; empty: nothing is another.
    reserved: ReservedPort = field(default_factory=ReservedPort)  # As long as this lives.

    @property
    def port(self) -> int:
        return self.reserved.number

    def __post_init__(self) -> None:
        for name in ("config", "data", "run", "log"):
            (self.base / name).mkdir(parents=True, exist_ok=True, mode=0o755)
        self.base.chmod(0o755)

    @property
    def manifest(self) -> Path:
        return self.base / "config" / "manifest.toml"

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    @property
    def log_file(self) -> Path:
        # Not on the manifest's way: who watches that would be woken by each line.
        return self.base / "log" / "serve.log"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **surroundings(),
            **({"PYTHONPATH": str(HERE)} if self.variant else {}),
            "AIMX_CONFIG_DIR": str(self.base / "config"),
            "AIMX_DATA_DIR": str(self.base / "data"),
            "AIMX_RUNTIME_DIR": str(self.base / "run"),
        }

    def declare(self, mailboxes: Iterable[str], domains: Iterable[str], rest: str = "") -> float:
        """Replace the manifest by a rename, as an editor does; gives when, by `perf_counter`."""
        names = ", ".join(f'"{domain}"' for domain in domains)
        tables = "".join(f'[mailboxes."{m}"]\nowner = "{owner()}"\n' for m in mailboxes)
        beside = self.manifest.with_suffix(".new")
        beside.write_text(
            f"domains = [{names}]\n{tables}\n"
            f'[smtp]\nbind = ["127.0.0.1:{self.port}"]\n{LIMITS}\n{rest}'
        )
        begun = time.perf_counter()
        beside.replace(self.manifest)
        return begun

    def command(self, *arguments: str) -> None:
        """Run `aimx`; a measurement of something that failed is none."""
        ended = subprocess.run(
            [AIMX, *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        if ended.returncode != 0:
            raise SystemExit(f"aimx {' '.join(arguments)}: {ended.stdout}{ended.stderr}")

    def mailbox(self, address: str) -> Path:
        local, _, domain = address.partition("@")
        return self.base / "data" / domain / "inbox" / local

    @property
    def _serve(self) -> Sequence[str | Path]:
        if not self.variant:
            return (AIMX, "serve")
        return (sys.executable, HERE / "variant.py", *self.variant)

    @contextmanager
    def serving(self) -> Iterator[int]:
        """A daemon that greets, ended afterwards; gives its process id."""
        with self.log_file.open("wb") as log:
            daemon = subprocess.Popen(self._serve, env=self.environment, stdout=log, stderr=log)
        try:
            until(lambda: daemon.poll() is not None or greets(self.port), "aimx to greet")
            if daemon.poll() is not None:
                raise SystemExit(self.log)
            yield daemon.pid
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(PATIENCE)
