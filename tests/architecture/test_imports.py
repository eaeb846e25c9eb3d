import json
import subprocess
import sys

import pytest

# What costs time to import, and is none of a thin client's business.
HEAVY = {
    "pydantic",
    "structlog",
    "dns",
    "cryptography",
    "aiosmtpd",
    "tomlkit",
    "tomli",
    "asyncio",
    "email",
    "watchfiles",
    "desired",
    "reconcilers",
}

# Of what is heavy as a whole: what makes a class, in less time than the standard library takes.
LIGHT = {"desired", "desired.frozen"}

# All of ours that a thin client may import.
THIN = {
    "aimx",
    "aimx.cli",
    "aimx.cli.administer",
    "aimx.cli.amend",
    "aimx.cli.answered",
    "aimx.cli.apply",
    "aimx.cli.approve",
    "aimx.cli.diff",
    "aimx.cli.domains",
    "aimx.cli.explain",
    "aimx.cli.graph",
    "aimx.cli.history",
    "aimx.cli.hooks",
    "aimx.cli.events",
    "aimx.cli.mailboxes",
    "aimx.cli.main",
    "aimx.cli.options",
    "aimx.cli.parsing",
    "aimx.cli.plan",
    "aimx.cli.progress",
    "aimx.cli.publish",
    "aimx.cli.queue",
    "aimx.cli.resume",
    "aimx.cli.rollback",
    "aimx.cli.roots",
    "aimx.cli.rotation",
    "aimx.cli.saved",
    "aimx.cli.send",
    "aimx.cli.status",
    "aimx.cli.suspend",
    "aimx.cli.terminal",
    "aimx.cli.tombstones",
    "aimx.cli.lacking",
    "aimx.cli.waiting",
    "aimx.controller",
    "aimx.controller.amendments",
    "aimx.doors",
    "aimx.doors.events",
    "aimx.doors.exits",
    "aimx.doors.refusal",
    "aimx.doors.socket",
    "aimx.doors.socket.client",
    "aimx.doors.wish",
}

# What an apply needs that makes a key, moves or removes something, saves its plan, brings an older
# layout to this one, is followed, or is asked for by more than plain options; and what no apply
# needs.
SPARED = {
    "argparse",
    "gettext",
    "locale",
    "dataclasses",
    "pydantic",
    "cryptography",
    "asyncio",
    "threading",
    "gzip",
    "ast",
    "base64",
    "shlex",
    "aimx.cli.saved",
    "aimx.controller.whereabouts",
    "aimx.doors.following",
    "reconcilers.host.predicted",
    "reconcilers.operations.keys",
    "reconcilers.operations.mail",
    "reconcilers.relocated",
    "reconcilers.removing",
    "reconcilers.withheld",
}

PROBE = """
import json, sys
import {modules}
from aimx.cli.main import main
try:
    main({arguments!r})
except SystemExit:
    pass
print("MODULES " + json.dumps(sorted(sys.modules)))
"""


def imported(modules: str, arguments: list[str]) -> set[str]:
    program = PROBE.format(modules=modules, arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("MODULES "))
    return set(json.loads(line.removeprefix("MODULES ")))


@pytest.mark.parametrize(
    ("modules", "arguments"),
    [
        pytest.param("sys", ["--help"], id="help"),
        pytest.param("sys", ["plan", "--help"], id="plan-help"),
        pytest.param(
            "aimx.cli.plan, aimx.cli.apply, aimx.cli.status, aimx.cli.send, aimx.cli.diff,"
            " aimx.cli.explain, aimx.cli.graph, aimx.cli.history, aimx.cli.tombstones,"
            " aimx.cli.rollback, aimx.cli.suspend, aimx.cli.resume, aimx.cli.approve,"
            " aimx.cli.domains, aimx.cli.mailboxes, aimx.cli.hooks, aimx.cli.queue",
            ["status", "--help"],
            id="commands-that-ask-the-daemon",
        ),
    ],
)
def test_a_thin_client_imports_nothing_heavy(modules: str, arguments: list[str]) -> None:
    found = imported(modules, arguments)

    assert not {name for name in found - LIGHT if name.partition(".")[0] in HEAVY}
    assert {name for name in found if name.partition(".")[0] == "aimx"} <= THIN


def test_a_command_that_asks_the_daemon_to_apply_loads_no_paths() -> None:
    assert "pathlib" not in imported("aimx.cli.apply, aimx.cli.mailboxes", ["--help"])


def test_an_apply_without_a_daemon_loads_nothing_that_it_does_without():
    apply = "aimx.cli.apply, aimx.doors.direct, aimx.controller.credentials"
    nowhere = ["-C", "/nonexistent", "--data-dir", "/nonexistent", "--runtime-dir", "/nonexistent"]

    found = imported(f"{apply}, aimx.controller.recorded", ["apply", "--yes", *nowhere])

    assert not found & SPARED
