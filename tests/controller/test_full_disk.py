"""Whatever change of the machine fails, an apply ends in a report that is true."""

import os
import pwd
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import pytest

from aimx.controller import intents
from aimx.controller.account import Applied
from aimx.controller.alone import Alone
from aimx.controller.instance import Instance
from aimx.controller.pinned import Back
from aimx.controller.refusal import MachineError
from aimx.controller.watched import Watched
from aimx.doors.answers import applied
from aimx.doors.exits import Exit
from aimx.doors.wish import Wish
from reconcilers.consent import Consent
from reconcilers.generations import Who, numbers
from reconcilers.host.faulty import Fault, Faulty
from reconcilers.host.local import LocalHost
from reconcilers.report.progress import apply_text
from reconcilers.roots import Roots

OWNER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
ONE_AT_A_TIME = Watched(parallelism=1)
WHO = Who(os.geteuid(), OWNER, "test")


def manifest(*mailboxes):
    tables = "".join(f'[mailboxes."{each}@example.com"]\nowner = "{OWNER}"\n' for each in mailboxes)
    return f'domains = ["example.com"]\n{tables}'


def apply(roots, host, *, back=False):
    instance = Instance(roots, host, roots.data)
    consent = Consent(removals=9)
    pin = intents.way_back(instance, Back(0, 1, "", timedelta(hours=1))) if back else None
    alone = Alone(host, roots)
    return instance.apply(None, alone, WHO, consent, ONE_AT_A_TIME, pin=pin)


@pytest.fixture(scope="module")
def grown():
    """An instance at generation 2, and a copy of it to begin from again."""
    # In memory where that is possible: hundreds of applies would wait for the disk.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with TemporaryDirectory(prefix="aimx-", dir=memory) as directory:
        yield _grown(Path(directory))


def _grown(base):
    config, data = base / "one" / "config", base / "one" / "data"
    config.mkdir(parents=True)
    paths = (config, data, base / "one" / "run", config / "manifest.toml")
    roots = Roots(*map(PurePosixPath, paths))
    for boxes in (("a",), ("a", "b")):
        (config / "manifest.toml").write_text(manifest(*boxes))
        assert apply(roots, LocalHost(roots)).summary.is_complete
    (config / "manifest.toml").write_text(manifest("a", "b", "c"))
    copy(base / "one", base / "kept")
    return base, roots


def copy(source, target):
    """With its owners, else each mailbox would be somebody else's."""
    subprocess.run(["cp", "-a", source, target], check=True)


def anew(grown):
    base, roots = grown
    shutil.rmtree(base / "one")
    copy(base / "kept", base / "one")
    return roots


def changes(grown, back):
    """How many changes of the machine a whole apply asks for."""
    roots = anew(grown)
    host = Faulty(LocalHost(roots), 0, Fault.REFUSED)
    assert apply(roots, host, back=back).summary.is_complete
    return host.changes


def observed(roots):
    """What the engine goes by."""
    host = LocalHost(roots)
    boxes = host.names(roots.folder("example.com", "inbox"))
    return host.read(roots.engine_config), boxes, host.look(roots.pin)


@pytest.mark.parametrize("back", [False, True], ids=["forward", "back"])
@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.FAILED_AFTER, Fault.FULL])
def test_every_change_that_fails_ends_in_a_report_that_is_true(grown, fault, back):
    for strike in range(1, changes(grown, back) + 1):
        roots = anew(grown)
        before = observed(roots)
        try:
            done = apply(roots, Faulty(LocalHost(roots), strike, fault), back=back)
        except MachineError:
            assert observed(roots) == before, strike
        else:
            is_told_truly(done, roots, back=back)
            if not (done.summary.is_complete or fault is Fault.FAILED_AFTER):
                assert not is_recorded(roots, 3)


def is_recorded(roots, number):
    return number in numbers(LocalHost(roots), roots)


def is_told_truly(done: Applied, roots, *, back):
    config, boxes, pin = observed(roots)
    steps = {step.id for step in done.review.plan.steps}
    assert {receipt.step for receipt in done.receipts} - {"config#record"} == steps
    text = apply_text(done.receipts, done.summary)
    summary = done.summary
    assert summary.generation == int(config.split(b"generation ")[1].split()[0].strip(b",;"))
    if summary.is_complete:
        assert "Apply complete: " in text
        assert summary.generation == 3
        assert boxes == (("a",) if back else ("a", "b", "c"))
        assert is_recorded(roots, 3)
    else:
        assert f"Apply INCOMPLETE: {summary.done} done, {summary.failed} failed" in text
        assert f"{summary.not_started} not started" in text
        assert "aimx apply" in text
    assert (applied(done, Wish()).exit == Exit.DONE) == summary.is_complete
    if back and summary.generation < 3:
        assert pin is None or "still pinned" in done.trouble
