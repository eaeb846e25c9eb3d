"""What a daemon finds out before it opens its doors."""

from __future__ import annotations

import os
import pwd
from pathlib import Path, PurePosixPath

from structlog.testing import capture_logs

from aimx.controller.alone import Alone
from aimx.controller.instance import Instance
from aimx.controller.watched import Watched
from aimx.processes.opening import said
from reconcilers.consent import Consent
from reconcilers.generations import Who
from reconcilers.roots import Roots

OWNER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def test_a_manifest_that_was_broken_meanwhile_is_told_by_number_and_by_its_first_fault(
    tmp_path: Path,
) -> None:
    manifest = tmp_path / "manifest.toml"
    manifest.write_text(f'domains = ["a.com"]\n[mailboxes."postmaster@a.com"]\nowner = "{OWNER}"\n')
    config, data, runtime = (PurePosixPath(tmp_path / name) for name in ("config", "data", "run"))
    instance = Instance.of(Roots(config, data, runtime, PurePosixPath(manifest)))
    alone = Alone(instance.host, instance.roots)
    instance.apply(None, alone, Who(0, "root", "test"), Consent(), Watched())
    manifest.write_text('domains = ["a.com"]\nzebra = 1\nlion = 2\n')

    with capture_logs() as logged:
        desired = said(instance)

    assert desired is None
    (told,) = logged
    assert told["problems"] == 2
    assert told["first"] == f"{manifest}:2:1: error: unknown key `zebra` [unknown-key]"
