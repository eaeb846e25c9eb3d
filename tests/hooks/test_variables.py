import subprocess
from pathlib import Path, PurePosixPath

import pytest

from aimx.hooks.command import Command
from aimx.hooks.facts import Facts
from aimx.hooks.variables import environment_file, variables
from aimx.processes.hook import VARIABLES
from aimx.processes.launch import arguments

FACTS = Facts("Ann <a@x>", "b@a.com", "hi", "1@x", "2026", "t", "a@x", "true", "delivered")


def command(**changes: object) -> Command:
    fields = {
        "hook": "tell",
        "event": "on_receive",
        "mailbox": "info@a.com",
        "domain": "a.com",
        "folder": "info",
        "owner": "ann",
        "uid": 1000,
        "argv": ("/bin/echo", "$AIMX_SUBJECT", "-x", "50%"),
        "timeout": 60.0,
        "fire_on_untrusted": False,
        "replies_per_hour": 10,
    }
    return Command(**fields | changes)  # type: ignore[arg-type]


def test_only_what_was_sent_has_a_status() -> None:
    path = PurePosixPath("/var/lib/aimx/a.com/inbox/info/x.md")

    received = variables(command(), FACTS, "x", path)
    sent = variables(command(event="after_send"), FACTS, "", None)

    assert set(sent) - set(received) == {"AIMX_SEND_STATUS"}
    assert sent["AIMX_SEND_STATUS"] == "delivered"
    assert (sent["AIMX_FILEPATH"], sent["AIMX_ID"]) == ("", "")
    assert received["AIMX_FILEPATH"] == str(path)


def test_the_wrapper_passes_on_exactly_the_variables_that_there_are() -> None:
    assert set(variables(command(event="after_send"), FACTS, "", None)) - {"PATH"} == VARIABLES


@pytest.mark.parametrize(
    "value",
    [
        'a "quoted" one',
        "back\\slash",
        "$HOME ${HOME} $(id)",
        "`id`",
        "'",
        "# no comment",
        " x ",
        "",
    ],
)
def test_the_file_for_systemd_says_exactly_the_values(value: str, tmp_path: Path) -> None:
    file = tmp_path / "variables"
    file.write_text(environment_file({"FIRST": value, "SECOND": "2"}))

    # A shell undoes the same quoting, by POSIX.
    script = '. "$0"; printf "%s\\0%s" "$FIRST" "$SECOND"'
    done = subprocess.run(["/bin/sh", "-c", script, file], capture_output=True, check=True)

    assert done.stdout.decode() == f"{value}\0002"


def test_nothing_of_a_message_is_on_the_command_line_of_systemd() -> None:
    words = arguments(command(), "aimx-hook-1.service", Path("/run/aimx/hook-1.env"))

    assert words == [
        *("--quiet", "--pipe", "--wait", "--collect", "--service-type=exec"),
        *("--unit=aimx-hook-1.service", "--uid=1000"),
        "--property=EnvironmentFile=/run/aimx/hook-1.env",
        "--property=RuntimeMaxSec=60",
        "--property=TimeoutStopSec=5",
        "--property=UnsetEnvironment=USER LOGNAME SHELL LANG INVOCATION_ID JOURNAL_STREAM"
        " SYSTEMD_EXEC_PID MEMORY_PRESSURE_WATCH MEMORY_PRESSURE_WRITE",
        "--property=NoNewPrivileges=yes",
        "--property=UMask=0077",
        *("--", "/bin/echo", "$$AIMX_SUBJECT", "-x", "50%"),
    ]
