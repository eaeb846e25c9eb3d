"""Hundreds of edits in a row, good and bad, saved in any way: what counts is the last good one.

The seed is told where it fails; `AIMX_SEED` repeats it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from desired import engine_config
from reconcilers.consent import Consent

EDITS = 500
PATIENCE = 120.0  # Seconds; all of it takes a few.
SEED = int(os.environ.get("AIMX_SEED", time.time_ns() % 10**6))
NAMES = ("anna", "bert", "carl", "dora", "emil", "fred", "gina")
FRAGMENTS = ("a.toml", "b.toml")
UNGUARDED = 'controller.auto_apply = "all"\npolicy.max_removals = 100\n'


# Ways of saving. Each is a generator, and whatever happens at its `yield` sees half of it.

Saving = Callable[[Path, bytes], Iterator[None]]


def in_place(path: Path, content: bytes) -> Iterator[None]:
    path.write_bytes(content)
    yield


def truncated_and_written(path: Path, content: bytes) -> Iterator[None]:
    with path.open("wb", buffering=0) as file:
        yield
        file.write(content[: len(content) // 2])
        yield
        file.write(content[len(content) // 2 :])


def by_rename(path: Path, content: bytes) -> Iterator[None]:
    new = path.with_name("new")
    new.write_bytes(content)
    yield
    new.rename(path)


def as_vim_does(path: Path, content: bytes) -> Iterator[None]:
    if path.exists():
        path.rename(path.with_name(f"{path.name}~"))
    yield
    path.write_bytes(content)


def as_emacs_does(path: Path, content: bytes) -> Iterator[None]:
    lock = path.with_name(f".#{path.name}")
    lock.unlink(missing_ok=True)
    lock.symlink_to("someone@somewhere.1:1")
    yield
    yield from as_vim_does(path, content)
    lock.unlink()


def as_nano_does(path: Path, content: bytes) -> Iterator[None]:
    backup = path.with_name(f"{path.name}~")
    if path.exists():
        backup.unlink(missing_ok=True)
        shutil.copy(path, backup)
    yield
    path.write_bytes(content)


def by_delete_and_create(path: Path, content: bytes) -> Iterator[None]:
    path.unlink(missing_ok=True)
    yield
    path.write_bytes(content)


def by_flipped_link(path: Path, content: bytes) -> Iterator[None]:
    """As Kubernetes does: to another directory, and the former one is gone."""
    data = path.with_name(f"..{path.name}")
    former = data.resolve() if data.is_symlink() else None
    version = path.with_name(f"..{path.name}.{time.monotonic_ns()}")
    version.mkdir()
    (version / path.name).write_bytes(content)
    for target, link in ((version.name, data), (f"{data.name}/{path.name}", path)):
        new = path.with_name("..new")
        new.symlink_to(target)
        new.rename(link)
        yield
    if former is not None:
        shutil.rmtree(former)


WAYS: tuple[Saving, ...] = (
    in_place,
    truncated_and_written,
    by_rename,
    as_vim_does,
    as_emacs_does,
    as_nano_does,
    by_delete_and_create,
    by_flipped_link,
)


@dataclass(frozen=True)
class Author:
    """Somebody who edits without end."""

    config: Path
    owner: str
    chance: random.Random

    @property
    def manifest(self) -> Path:
        return self.config / "manifest.toml"

    @property
    def fragments(self) -> Path:
        return self.config / "manifest.d"

    def whole(self) -> tuple[set[str], dict[Path, bytes | None]]:
        """The names of the mailboxes of a good manifest, and what each of its files holds."""
        names = set(self.chance.sample(NAMES, self.chance.randrange(len(NAMES) + 1)))
        left, files = sorted(names), {}
        for fragment in FRAGMENTS:
            here = [left.pop() for _ in range(self.chance.randrange(3)) if left]
            files[self.fragments / fragment] = self._boxes(here) if here else None
        # The guard first: a part of a manifest without it would be one, and removals would wait.
        top = (
            f'{UNGUARDED}domains = ["example.com"]\n'
            f'trust = "{self.chance.choice(("none", "verified"))}"\n'
            f"# {self.chance.random()}\n"
        )
        files[self.manifest] = top.encode() + self._boxes(["postmaster", *left])
        return names | {"postmaster"}, files

    def _boxes(self, names: list[str]) -> bytes:
        tables = (f'[mailboxes."{name}@example.com"]\nowner = "{self.owner}"\n' for name in names)
        return "".join(tables).encode()

    def broken(self, content: bytes) -> bytes:
        """Something that no manifest is, or the half of one."""
        return self.chance.choice(
            (
                b"",
                b"nonsense",
                b"\xff\xfe\0",
                content[: self.chance.randrange(len(content))],
                content + b'[mailboxes."x@elsewhere.example"]\nowner = "nobody"\n',
                content + b"[unheard]\nof = 1\n",
                content + content,
            )
        )

    async def edit(self) -> None:
        """Change some files, well or badly."""
        _, files = self.whole()
        for path in self.chance.sample(sorted(files), self.chance.randrange(1, 4)):
            content = files[path]
            if content is not None and self.chance.random() < 0.4:
                content = self.broken(content)
            await self.save(path, content)

    async def finish(self) -> set[str]:
        """Save a good one, all of it."""
        names, files = self.whole()
        for path in self.chance.sample(sorted(files), len(files)):
            await self.save(path, files[path])
        return names

    async def save(self, path: Path, content: bytes | None) -> None:
        if content is None:
            path.unlink(missing_ok=True)
            return
        for _ in self.chance.choice(WAYS)(path, content):
            await asyncio.sleep(self.chance.choice((0, 0, 0, 0.002, 0.01)))


def test_after_any_edits_the_last_good_one_holds(serving) -> None:
    async def scene(served) -> None:
        served.declare("postmaster", top=UNGUARDED)
        await served.controller.turn()
        author = Author(served.base / "config", served.owner, random.Random(SEED))
        author.fragments.mkdir()
        running = asyncio.create_task(served.controller.run(0.02))
        try:
            for _ in range(EDITS):
                await author.edit()
                assert not running.done(), f"AIMX_SEED={SEED}"
            names = sorted(await author.finish())
            wanted = served.instance.read(served.instance.sources()).desired
            await settled(served, wanted.digest)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        agree(served, names, wanted)

    serving(scene)


async def settled(served, digest: str) -> None:
    """What was saved last has been dealt with."""
    deadline = time.monotonic() + PATIENCE
    while (
        served.controller.state.last_attempted != digest
        or served.condition("Converged")[0] != "True"
    ):
        told = f"AIMX_SEED={SEED}: {served.controller.state}"
        assert time.monotonic() < deadline, told
        await asyncio.sleep(0.01)


def agree(served, names: list[str], wanted) -> None:
    """Directories, engine, config.toml, status and conditions tell the same."""
    told = f"AIMX_SEED={SEED}"
    conditions = {
        kind: served.condition(kind)[0]
        for kind in ("Ready", "ManifestValid", "Converged", "EngineActive", "PendingApproval")
    }
    assert (served.boxes, served.routes) == (names, names), told
    assert conditions == {
        "Ready": "True",
        "ManifestValid": "True",
        "Converged": "True",
        "EngineActive": "True",
        "PendingApproval": "False",
    }, told
    assert engine_config.is_whole(served.config), told
    assert served.config.endswith(engine_config.body(wanted)), told
    served.controller.state.save()
    status = json.loads((served.base / "data/.aimx/status.json").read_bytes())
    header = engine_config.header(served.config)
    at = (status["generation"], status["desired_generation"], status["engine_generation"])
    assert at == (header.generation,) * 3, told
    left = served.instance.review(served.instance.in_force(), Consent())
    assert left.plan.is_empty, told
