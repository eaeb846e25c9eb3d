"""What stands in the mailbox, and what is wrong with it by what was said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from aimx.channel.placing import Outcome
from aimx.placing.database import NAME

from .letters import INBOX, MESSAGES, OWNER, PLACING

PROMISED = (Outcome.PLACED.name, Outcome.DUPLICATE.name)
_KEPT = ("lock", NAME, "probe-")  # A probe that could not be removed goes at the next start.


def messages(base: Path) -> list[Path]:
    """Each message's text, in whatever bundle: a bundle without one is a problem of its own."""
    return [
        path / f"{path.name}.md" if path.is_dir() else path
        for path in sorted((base / INBOX).iterdir())
    ]


def inodes(base: Path) -> dict[str, int]:
    """Of what has a message's name, by path."""
    return {str(path.relative_to(base)): path.stat().st_ino for path in (base / INBOX).iterdir()}


def name_of(path: Path) -> str:
    with suppress(OSError):
        for line in path.read_text(errors="replace").splitlines():
            if line.startswith("name = "):
                return line.removeprefix("name = ").strip('"')
    return ""


def problems(base: Path, said: dict[str, str], *, settled: bool) -> Iterator[str]:
    """What is wrong with what is there, by what was said; settled: by all that was said."""
    found = messages(base)
    for path in found:
        yield from _unwhole(path, said)
    names = [name_of(path) for path in found]
    for name in MESSAGES:
        number, outcome = names.count(name), said.get(name)
        if number > 1 or (outcome in PROMISED and number != 1):
            yield f"{name} is there {number} times, and was {outcome}"
        if settled and outcome not in PROMISED and number:
            yield f"{name} is there, and was {outcome}"
    left = [path.name for path in (base / PLACING).iterdir() if not path.name.startswith(_KEPT)]
    if settled and left:
        yield f"left over: {left}"


def _unwhole(path: Path, said: dict[str, str]) -> Iterator[str]:
    message = MESSAGES.get(name_of(path))
    if message is None:
        yield f"{path.name} is nothing that was placed"
        return
    texts = {
        False: f'+++\nid = "{path.stem}"\n'.encode() + message.rest,
        True: f'+++\nid = "{path.stem}"\nread = true\n'.encode() + message.rest,
    }
    content = path.read_bytes()
    is_new = said.get(f"{message.name} rewritten") == Outcome.PLACED.name
    if content not in texts.values() or (is_new and content != texts[True]):
        yield f"{path.name} holds {content[:80]!r}, and was rewritten: {is_new}"
    files = [path] if not message.attachments else list(path.parent.iterdir())
    if {each.name for each in files} != {path.name, *message.attachments}:
        yield f"{path.parent.name} has {sorted(each.name for each in files)}"
    for name in message.attachments:
        if (path.parent / name).read_bytes() != message.content(name):
            yield f"{name} of {message.name} is not whole"
    owned = files if not message.attachments else [path.parent, *files]
    yield from (f"{each.name} is not its owner's alone" for each in owned if not _is_private(each))


def _is_private(path: Path) -> bool:
    found = path.stat()
    mode = 0o700 if path.is_dir() else 0o600
    return (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (
        OWNER.pw_uid,
        OWNER.pw_gid,
        mode,
    )
