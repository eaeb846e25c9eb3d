"""Shows the product at work in ./demo: plan, apply, serve, mail in, an edit picked up live."""

from __future__ import annotations

import argparse
import os
import pwd
import shutil
import signal
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aimx.testing.ports import ReservedPort

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "demo"
MANIFEST = DEMO / "config" / "manifest.toml"
AIMX = Path(sys.executable).with_name("aimx")
PATIENCE = 60.0  # Seconds for anything that should take one.

FIRST = """\
# A domain, two mailboxes, and who owns them. Save a change here while
# `aimx serve` runs: it is planned, applied and picked up without a restart.
domains = ["example.com"]
trust = "verified"
trusted_senders = ["*@example.org"]

[mailboxes."info@example.com"]
owner = "{owner}"

[mailboxes."postmaster@example.com"]
owner = "{owner}"

[smtp]
bind = ["127.0.0.1:{port}"]

[dns]
timeout = "1s"    # There may be no network here; nobody need wait for it.
"""

EDIT = [
    ('domains = ["example.com"]', 'domains = ["example.com", "agents.example"]'),
    ("[smtp]\n", '[mailboxes."scout@agents.example"]\nowner = "{owner}"\n\n[smtp]\n'),
]


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev/demo", description=__doc__)
    parser.add_argument(
        "--mail",
        type=Path,
        metavar="DIR",
        default=ROOT / "examples" / "messages",
        help="deliver every .eml file of DIR (default: examples/messages)",
    )
    options = parser.parse_args()
    messages = sorted(options.mail.glob("*.eml"))
    if not messages:
        parser.error(f"there is no .eml file in {options.mail}")
    try:
        with ReservedPort() as port:
            show(messages, port.number)
    except (DemoError, smtplib.SMTPException) as failure:
        say(f"\nThe demo stopped: {failure}")
        return 1
    except KeyboardInterrupt:
        say("\nStopped.")
        return 130
    return 0


class DemoError(Exception):
    """Something did not go as shown; says what, and where to look."""


def show(messages: list[Path], port: int) -> None:
    owner = mailbox_owner()
    begin(owner, port)
    heading("1. The manifest says what should be: demo/config/manifest.toml")
    say(indented(MANIFEST.read_text()))
    heading("2. `aimx plan` shows what would change, and changes nothing")
    run("plan")
    heading("3. `aimx apply` makes it so: keys before config, marker last")
    run("apply", "--yes")
    heading("4. `aimx serve` runs the mail engine on a high port")
    with serving(port):
        say(f"$ aimx serve &\n  listening on 127.0.0.1:{port}, log in demo/serve.log")
        heading(f"5. {len(messages)} messages come in over SMTP; each is one Markdown file")
        for message in messages:
            deliver(port, message, "info@example.com")
        say("")
        stored = show_stored(DEMO / "data" / "example.com" / "inbox" / "info")
        heading("6. Such a file, as an agent reads it")
        say(indented(shortened(stored[0].read_text())))
        heading("7. The manifest is edited while the server runs")
        seconds = edit_live(owner, port)
        deliver(port, messages[0], "scout@agents.example")
        show_stored(DEMO / "data" / "agents.example" / "inbox" / "scout")
        say(f"  from saving the file to mail accepted: {seconds * 1000:.0f} ms, no restart")
        run("apply", "--wait")
        run("status")
    summary(len(messages), port)


def begin(owner: str, port: int) -> None:
    if DEMO.exists():
        shutil.rmtree(DEMO)
    for name in ("config", "data", "run"):
        (DEMO / name).mkdir(parents=True)
    MANIFEST.write_text(FIRST.format(owner=owner, port=port))
    variables = {"CONFIG": "config", "DATA": "data", "RUNTIME": "run"}
    (DEMO / "env").write_text(
        "".join(f"export AIMX_{key}_DIR='{DEMO / name}'\n" for key, name in variables.items())
        + f"export PATH='{AIMX.parent}':\"$PATH\"\n"
    )


def mailbox_owner() -> str:
    """Who runs this; root owns no mailbox, and a container may have nobody else."""
    return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "AIMX_CONFIG_DIR": str(DEMO / "config"),
        "AIMX_DATA_DIR": str(DEMO / "data"),
        "AIMX_RUNTIME_DIR": str(DEMO / "run"),
    }


def run(*arguments: str) -> None:
    say(f"$ aimx {' '.join(arguments)}")
    done = subprocess.run([AIMX, *arguments], env=environment(), check=False)
    if done.returncode:
        raise DemoError(f"`aimx {arguments[0]}` ended with {done.returncode}")


@contextmanager
def serving(port: int) -> Iterator[None]:
    log = DEMO / "serve.log"
    with log.open("wb") as output:
        server = subprocess.Popen([AIMX, "serve"], env=environment(), stdout=output, stderr=output)
    try:
        wait_for_greeting(server, port, log)
        yield
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_for_greeting(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise DemoError(f"`aimx serve` ended at once:\n{log.read_text()}")
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as session:
                session.noop()
                return
        except OSError:
            time.sleep(0.05)
    raise DemoError(f"nobody greets on 127.0.0.1:{port}; see {log}")


def deliver(port: int, message: Path, recipient: str) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as session:
        session.ehlo("mail.example.org")
        code, reply = session.mail("sender@example.org")
        if code == 250:
            code, reply = session.rcpt(recipient)
        if code == 250:
            code, reply = session.data(message.read_bytes())
    told = reply.decode("utf-8", "replace").partition("(")[0].strip()
    say(f"  {message.name:<34.34} {code} {told}")
    if code != 250:
        raise DemoError(f"{message.name} was not accepted")


def show_stored(mailbox: Path) -> list[Path]:
    """Print the tree of a mailbox; gives its messages."""
    base = DEMO / "data"
    say(f"  {mailbox.relative_to(ROOT)}/")
    for path in sorted(mailbox.rglob("*")):
        depth = len(path.relative_to(mailbox).parts)
        say(f"  {'    ' * depth}{path.name}{'/' if path.is_dir() else ''}")
    stored = sorted(mailbox.rglob("*.md"))
    if not stored:
        raise DemoError(f"nothing is in {mailbox.relative_to(base)}")
    return stored


def edit_live(owner: str, port: int) -> float:
    """Add a domain and a mailbox; gives the seconds until mail for it is accepted."""
    text = MANIFEST.read_text()
    for before, after in EDIT:
        text = text.replace(before, after.format(owner=owner))
    say(indented("".join(f"+ {line}\n" for line in added(MANIFEST.read_text(), text))))
    beside = MANIFEST.with_suffix(".new")
    beside.write_text(text)
    saved = time.monotonic()
    beside.replace(MANIFEST)
    while time.monotonic() - saved < PATIENCE:
        if is_taken(port, "scout@agents.example"):
            return time.monotonic() - saved
        time.sleep(0.01)
    raise DemoError("the edit was not picked up; `aimx status` and demo/serve.log say why")


def is_taken(port: int, recipient: str) -> bool:
    """Whether mail for it is accepted, asked in a session of its own: one in which many recipients
    are refused is cut off."""
    with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as session:
        session.ehlo("mail.example.org")
        session.mail("sender@example.org")
        return session.rcpt(recipient)[0] == 250


def added(before: str, after: str) -> list[str]:
    known = set(before.splitlines())
    return [line for line in after.splitlines() if line and line not in known]


def summary(count: int, port: int) -> None:
    heading("What this showed")
    say(
        f"""\
  {count + 1} messages received over SMTP, checked (SPF, DKIM, DMARC), durable before
  their 250, each one Markdown file of its mailbox's owner; a domain with its
  DKIM key and a mailbox added while the server ran. The server has been
  stopped; ./demo holds everything.

How to go on
    . demo/env                      # this instance, and `aimx` on the PATH
    $EDITOR demo/config/manifest.toml
    aimx plan                       # what would change
    aimx serve                      # 127.0.0.1:{port}, watches the manifest
    aimx --help
  README.md tells how to run it on a machine of its own, for a domain of yours."""
    )


def heading(text: str) -> None:
    say(f"\n=== {text}\n")


def indented(text: str) -> str:
    return "".join(f"  {line}".rstrip() + "\n" for line in text.splitlines())


def shortened(text: str, lines: int = 40) -> str:
    all_lines = text.splitlines()
    rest = len(all_lines) - lines
    return "\n".join(all_lines[:lines] + ([f"[{rest} more lines]"] if rest > 0 else []))


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
