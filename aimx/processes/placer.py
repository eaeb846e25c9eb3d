"""The placer's process: root with four capabilities, blocking, and the only writer of mail."""

from __future__ import annotations

import gc
import os
import signal
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import structlog

from aimx.placing.capabilities import PLACING, keep
from aimx.placing.committer import Committer
from aimx.placing.database import NAME, RowsError
from aimx.placing.disk import Disk
from aimx.placing.drafts import Desk, has_unnamed_files, sweep
from aimx.placing.handing import Handing
from aimx.placing.kernel import kernel_flushes
from aimx.placing.lending import Lending
from aimx.placing.mailboxes import Mailboxes
from aimx.placing.placer import Placer
from aimx.placing.rows import Rows
from aimx.placing.settle import settle
from aimx.processes.privileges import harden, open_files
from aimx.processes.start import Arrival, StartError, run
from aimx.processes.tenure import hold

_LARGEST = 256 * 1024 * 1024  # Octets of one file that a worker passes.
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_REMEDY = ". Make room, or make it writable for the placer"
_KEPT_NAMES = ("lock", NAME)  # By how they begin: of the database there are several.

log = structlog.get_logger()


def main() -> None:
    # Whoever opens a leased file would kill us with it, from the first lease on.
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    run("placer", serve)


def serve(arrival: Arrival) -> None:
    """Wait for the last placer to be gone, settle what it left, and place until control ends."""
    harden()
    keep(PLACING)
    control, data = arrival.channel("control"), arrival.descriptors["data"]
    with ExitStack() as leaving:
        directory = _opened(data)
        leaving.callback(os.close, directory)
        hold(directory)
        sweep(directory, _KEPT_NAMES)
        disk, mailboxes = Disk(kernel_flushes()), Mailboxes(data, open_files())
        leaving.callback(disk.close)
        leaving.callback(mailboxes.close)
        rows = _rows(directory)
        leaving.callback(rows.close)
        _settle(rows, mailboxes, disk, directory)
        desk = Desk(directory, disk, unnamed=has_unnamed_files(directory))
        placer = Placer(
            control,
            Committer(mailboxes, desk, rows, _now),
            desk,
            rows,
            Handing(rows, mailboxes),
            Lending(rows, mailboxes),
            device=os.fstat(directory).st_dev,
            largest=_LARGEST,
            now=_now,
        )
        gc.freeze()
        placer.serve()


def _opened(data: int) -> int:
    try:
        return os.open(".aimx/placing", _DIRECTORY, dir_fd=data)
    except OSError as cause:
        raise StartError(
            f".aimx/placing in the data directory: {cause.strerror}. `aimx apply` makes it"
        ) from cause


def _rows(directory: int) -> Rows:
    try:
        return Rows(Path(f"/proc/self/fd/{directory}").readlink() / NAME)
    except RowsError as cause:
        raise StartError(f"{cause}{_REMEDY}") from cause


def _settle(rows: Rows, mailboxes: Mailboxes, disk: Disk, directory: int) -> None:
    try:
        settle(rows, mailboxes, disk, directory, _now())
    except RowsError as cause:
        raise StartError(f"{cause}{_REMEDY}") from cause


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
