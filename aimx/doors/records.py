"""What the DNS has to say of a domain, told, with whom to ask whether it does."""

from __future__ import annotations

import json
from collections.abc import Iterator

from aimx.controller.edits.keys import configured
from aimx.controller.edits.manifest import Manifest
from aimx.doors.exits import Exit
from aimx.doors.wish import Answer, Question, Wish
from desired.desired import Algorithm, HostedDomain
from desired.frozen import asdict
from desired.publishing import DnsRecord, of_key, of_mail, of_policy
from reconcilers.kinds.keypair import files_of
from reconcilers.reconciler import World
from reconcilers.signing import KeyFiles


def records(manifest: Manifest, wish: Wish, question: Question) -> Answer:
    """Of a domain, or of the default one; or of one key, which may be one that is to come."""
    name, _, selector = question.address.removeprefix("dkim/").partition("/")
    domain = configured(name, manifest) if name else manifest.desired.domains[0]
    told = [_of_selector(domain, selector, manifest)] if selector else list(_of(domain, manifest))
    rows = [{**asdict(record), "line": record.line()} for record in told if record is not None]
    if wish.view != "json":
        return Answer(Exit.DONE, "\n".join(str(row["line"]) for row in rows))
    dns = manifest.desired.dns
    document = {
        "format": "aimx.records",
        "format_version": "1.0",
        "domain": domain.name.ascii,
        "selector": str(domain.selector),
        "records": rows,
        "resolvers": [*map(str, dns.resolvers)],
        "timeout": dns.timeout.total_seconds(),
    }
    return Answer(Exit.DONE, json.dumps(document, indent=2))


def _of(domain: HostedDomain, manifest: Manifest) -> Iterator[DnsRecord | None]:
    yield from of_mail(domain.name, manifest.desired)
    for algorithm, selector in domain.selectors.items():
        yield _of_key(domain, str(selector), algorithm, manifest)
    yield of_policy(domain.name, manifest.desired)


def _of_selector(domain: HostedDomain, selector: str, manifest: Manifest) -> DnsRecord | None:
    for algorithm, said in domain.selectors.items():
        if str(said) == selector:
            return _of_key(domain, selector, algorithm, manifest)
    home = manifest.roots.keys(domain.name.ascii)
    public = manifest.host.read(KeyFiles.labelled(home, selector).public)
    if public is None:
        return None
    return of_key(domain.name.ascii, selector, domain.principal, public)


def _of_key(
    domain: HostedDomain, selector: str, algorithm: Algorithm, manifest: Manifest
) -> DnsRecord | None:
    name = domain.name.ascii
    world = World(manifest.host, manifest.roots, manifest.desired, None, 0, b"")
    public = manifest.host.read(files_of(world, name, algorithm, selector).public)
    return None if public is None else of_key(name, selector, algorithm, public)
