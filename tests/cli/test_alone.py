import json
import subprocess
import sys

# What only an engine, or an apply that makes keys, has use for.
UNNEEDED = {"cryptography", "asyncio", "structlog", "dns", "aiosmtpd", "watchfiles"}
# What only an edit of the manifest has use for.
UNNEEDED |= {"tomlkit", "tree_sitter"}

PROGRAM = """
import json, sys
from aimx.cli.main import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]))
"""


def test_a_plan_without_a_daemon_imports_nothing_of_the_engine(instance):
    instance.run("apply", "--yes")

    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, "plan", *instance.flags],
        capture_output=True,
        text=True,
        check=True,
    )

    code, modules = json.loads(ended.stdout.splitlines()[-1])
    assert code == 0
    assert UNNEEDED & set(modules) == set()
    assert not [name for name in modules if name.startswith(("aimx.smtp", "aimx.processes"))]
