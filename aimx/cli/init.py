"""`aimx init`: a commented manifest to begin with."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from aimx.cli import roots, terminal
from aimx.cli.options import Options, Parser
from aimx.doors.exits import Exit

TEMPLATE = """\
#:schema ./aimx.schema.json
# What should be on this machine. `aimx plan` shows what would change, `aimx apply` changes it,
# and a running `aimx serve` picks up what you save here.

# The first domain is the default one: bare local parts mean it.
domains = ["{domain}"]

# Whose mail may fire hooks: nobody ("none"), or senders listed here whose DKIM signature is
# valid and aligned with the From that people see ("verified").
trust = "none"
trusted_senders = []

# A mailbox is an address and the Linux user whose mail it is. Each message arrives as one
# Markdown file in DATA_DIR/{domain}/inbox/agent/.
[mailboxes."agent@{domain}"]
owner = "{owner}"

[mailboxes."postmaster@{domain}"]
owner = "{owner}"
{rest}"""

ROOTLESS = """
# Without root the well-known port is out of reach.
[smtp]
bind = ["127.0.0.1:2525", "[::1]:2525"]
"""


_MODE = 0o640


def arguments(parser: Parser) -> None:
    parser.add_argument(
        "directory", nargs="?", metavar="DIR", help="make a rootless instance under DIR"
    )
    parser.add_argument("--domain", default="example.com", help="the default domain (example.com)")
    parser.add_argument("--owner", default="", help="the Linux user who owns the first mailbox")


def run(options: Options) -> int:
    from desired.names import InvalidNameError

    found = _places(options)
    try:
        text = _text(options)
    except InvalidNameError as cause:
        terminal.tell(f"aimx init: {cause}.")
        return Exit.USAGE
    manifest = Path(found["manifest"])
    try:
        made = not os.path.lexists(manifest) and _made(options, found, text)
    except OSError as cause:
        terminal.tell(f"aimx init: cannot write {cause.filename or manifest}: {cause.strerror}.")
        return Exit.ERROR
    if not made:
        terminal.tell(f"aimx init: {manifest} is there already; it stays as it is.")
        return Exit.ERROR
    terminal.say(f"Wrote {manifest}. Edit it, then:\n")
    if options.directory:
        terminal.say(f"    . {shlex.quote(os.path.join(options.directory, 'env'))}")
    terminal.say("    aimx plan\n    aimx apply\n    aimx serve")
    return Exit.DONE


def _made(options: Options, found: Mapping[str, str], text: str) -> bool:
    """The manifest comes last: once it is there, all is, and nothing is made a second time."""
    from aimx.controller.rewrite import create, make_directory, write
    from desired.json_schema import json_schema

    manifest = Path(found["manifest"])
    make_directory(manifest.parent)
    write(manifest.parent / "aimx.schema.json", _pretty(json_schema()).encode(), _MODE)
    if options.directory:
        write(Path(options.directory) / "env", _variables(found).encode(), _MODE)
    return create(manifest, text.encode(), _MODE)


def _places(options: Options) -> dict[str, str]:
    if not options.directory:
        return roots.chosen(options)
    root = roots.absolute(options.directory)
    return {
        "config-dir": f"{root}/config",
        "data-dir": f"{root}/data",
        "runtime-dir": f"{root}/run",
        "manifest": f"{root}/config/manifest.toml",
    }


def _variables(found: Mapping[str, str]) -> str:
    return "".join(
        f"export AIMX_{name.replace('-', '_').upper()}={shlex.quote(found[name])}\n"
        for name in ("config-dir", "data-dir", "runtime-dir")
    )


def _text(options: Options) -> str:
    """The manifest; raises `InvalidNameError` for a name that could not stand in it."""
    from desired.names import Domain, Owner

    return TEMPLATE.format(
        domain=Domain.parse(options.domain),
        owner=Owner.parse(options.owner or _user()),
        rest=ROOTLESS if options.directory else "",
    )


def _user() -> str:
    """Who runs this, or `nobody` for root: root owns no mailbox."""
    import pwd

    asking = os.environ.get("SUDO_UID", "") if os.geteuid() == 0 else ""
    uid = int(asking) if asking.isdecimal() else os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name if uid else "nobody"
    except KeyError:  # Containers run under users that have no name.
        return "nobody"


def _pretty(document: object) -> str:
    import json

    return json.dumps(document, indent=2) + "\n"
