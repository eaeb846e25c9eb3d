"""Each folder of `cases/` is a message, the DNS that it sees, and the verdict that it must get."""

import asyncio
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aimx.mail.author import author
from aimx.mail.envelope import Client, Envelope, Incoming
from aimx.testing.zone import Zone, ZoneResolver, serve
from aimx.verify.caching import CachingResolver
from aimx.verify.judge import Judge
from aimx.verify.trust import decide
from aimx.verify.verdict import Verdicts

CASES = sorted(path for path in (Path(__file__).parent / "cases").iterdir() if path.is_dir())
RECEIVED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MAX_AGE = timedelta(days=7)


class Case:
    """What the three files of a folder say."""

    def __init__(self, folder: Path, signer) -> None:
        self.says = tomllib.loads((folder / "verdict.toml").read_text())
        table = tomllib.loads(
            (folder / "zone.toml")
            .read_text()
            .replace("{rsa}", signer("rsa").public)
            .replace("{ed25519}", signer("ed25519").public)
        )
        content = crlf((folder / "message.eml").read_bytes())
        for tags in self.says.get("sign", []):
            signing = signer(**{"kind": "ed25519", **rename(tags)})
            content = signing.sign(content)
            table = {**signing.zone, **table}
        change = self.says.get("change", {})
        prepended, within, appended = (
            crlf(change.get(key, "").encode()) for key in ("prepend", "within", "append")
        )
        head, empty_line, body = content.partition(b"\r\n\r\n")
        content = head + b"\r\n" + within + empty_line[2:] + body
        self.zone = Zone(table)
        self.incoming = Incoming(
            Envelope(
                self.says["sender"],
                ("bob@example.net",),
                Client(
                    self.says.get("client", "192.0.2.1"), self.says.get("helo", "mx.example.com")
                ),
            ),
            prepended + content + appended,
            self.says.get("received_at", RECEIVED),
        )

    def outcome(self, verdicts: Verdicts) -> dict:
        trusted = decide(
            "verified",
            self.says.get("trusted_senders", ["*@*"]),
            author(self.incoming.header),
            verdicts,
            self.incoming.received_at,
            MAX_AGE,
        )
        found = {
            "spf": verdicts.spf_verdict,
            "dkim": [signature.verdict for signature in verdicts.dkim],
            "dmarc": verdicts.dmarc.verdict,
            "policy": verdicts.dmarc.policy,
            "trusted": trusted.value,
            "reason": trusted.reason,
        }
        return {key: found[key] for key in self.says["verdict"]}


def crlf(octets: bytes) -> bytes:
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def rename(tags: dict) -> dict:
    return {"kind" if key == "key" else key: value for key, value in tags.items()}


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_a_case_gets_its_verdict(folder, signer):
    case = Case(folder, signer)

    verdicts = asyncio.run(Judge(ZoneResolver(case.zone)).verdicts(case.incoming))

    assert case.outcome(verdicts) == case.says["verdict"], verdicts


def test_a_case_gets_its_verdict_over_the_network_as_well(signer):
    case = Case(Path(__file__).parent / "cases" / "rfc-8463-a.3", signer)

    async def judged() -> Verdicts:
        async with serve(case.zone) as address:
            resolver = CachingResolver([address])
            try:
                return await Judge(resolver).verdicts(case.incoming)
            finally:
                await resolver.close()

    assert case.outcome(asyncio.run(judged())) == case.says["verdict"]


def test_every_case_says_why():
    silent = [
        folder.name
        for folder in CASES
        if not tomllib.loads((folder / "verdict.toml").read_text()).get("why")
    ]

    assert silent == []
