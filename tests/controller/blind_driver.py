"""Watches a manifest, changes it by a rename, and ends when the watch has led to reading it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path, PurePosixPath

from aimx.controller.sources import gather, places
from aimx.controller.watch import Watch
from reconcilers.roots import Roots


async def see(roots: Roots) -> None:
    watch = Watch(lambda: places(roots), 0.1, every=0.05)
    running = asyncio.create_task(watch.run())
    await watch.changed.wait()
    new = Path(roots.manifest).with_suffix(".new")
    new.write_bytes(b"# new\n")
    new.rename(roots.manifest)
    while [source.raw for source in gather(roots)] != [b"# new\n"]:
        await watch.changed.wait()
        watch.changed.clear()
    await asyncio.sleep(0.2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


if __name__ == "__main__":
    base = PurePosixPath(sys.argv[1])
    asyncio.run(see(Roots(base, base / "data", base / "run", base / "manifest.toml")))
