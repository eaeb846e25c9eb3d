"""The same inputs give the same bytes, whatever the interpreter makes of a dictionary's order."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired import manifest
from desired.problem import Source
from reconcilers.fingerprint import plan_id
from reconcilers.report.document import written

ROOT = Path(__file__).parents[2]

PROGRAM = """
import sys
from pathlib import PurePosixPath
from desired import manifest
from desired.problem import Source
from reconcilers.host.host import Account
from reconcilers.host.memory import MemoryHost
from reconcilers.host.read_only import ReadOnly
from reconcilers.planning import plan
from reconcilers.report.document import written
from reconcilers.report.markdown import plan_markdown
from reconcilers.report.saved import saved
from reconcilers.report.text import plan_text
from reconcilers.roots import Roots

roots = Roots(*map(PurePosixPath, ("/etc/aimx", "/data", "/run/aimx", "/etc/aimx/m.toml")))
text = 'domains = ["b.example", "a.example", "c.example"]\\n' + "".join(
    f'[mailboxes."{name}@{domain}.example"]\\nowner = "{owner}"\\n'
    for domain, owner in (("c", "bob"), ("a", "alice"), ("b", "nobody-here"))
    for name in ("z", "info", "a", "ops")
)
host = MemoryHost(roots, accounts=[Account("alice", 1, 1), Account("bob", 2, 2)])
host.plant_directory(roots.config)
made = plan(manifest.read([Source("m", text.encode())]).desired, ReadOnly(host), roots)
out = sys.stdout.buffer
out.write(written(made) + saved(made, roots, "", 0))
out.write((plan_text(made) + plan_markdown(made)).encode())
"""


def told(seed: str) -> bytes:
    variables = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=variables, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_a_plan_is_the_same_bytes_under_every_hash_seed():
    first, *others = [told(seed) for seed in ("0", "1", "2", "4711", "random")]

    assert first.startswith(b"{")
    assert others == [first] * 4


BLOCKS = [
    f'[mailboxes."{name}@{domain}"]\nowner = "{owner}"\n'
    for name, domain, owner in (
        ("info", "a.com", "alice"),
        ("ops", "a.com", "bob"),
        ("info", "b.com", "alice"),
        ("z", "b.com", "bob"),
    )
]
HEAD = 'domains = ["a.com", "b.com"]\n'


@pytest.fixture(scope="module")
def planned(new_machine):
    machine = new_machine()

    def plan(*texts: str):
        sources = [Source(f"m{number}.toml", text.encode()) for number, text in enumerate(texts)]
        return machine.plan(manifest.read(sources).desired)

    return plan


@given(st.permutations(BLOCKS))
def test_the_order_of_a_manifests_blocks_is_in_no_plan(planned, blocks):
    assert plan_id(planned(HEAD + "".join(blocks))) == plan_id(planned(HEAD + "".join(BLOCKS)))


@given(st.permutations(BLOCKS), st.integers(0, len(BLOCKS)))
def test_how_a_manifest_is_cut_into_files_is_in_no_plan(planned, blocks, cut):
    first, second = "".join(blocks[:cut]), "".join(blocks[cut:])

    apart = planned(HEAD, first, second)

    whole = planned(HEAD + "".join(BLOCKS))
    assert plan_id(apart) == plan_id(whole)
    assert [change.address for change in apart.changes] == [c.address for c in whole.changes]


def test_the_same_plan_is_written_as_the_same_bytes(planned):
    text = HEAD + "".join(BLOCKS)

    assert written(planned(text)) == written(planned(text))
