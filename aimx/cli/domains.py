"""`aimx domains`: domains come and go in the manifest, each planned and applied in one go."""

from __future__ import annotations

import os

from aimx.cli import administer, amend, publish, roots, rotation, terminal
from aimx.cli.options import Options, Parser, name
from aimx.controller.amendments import AddDomain, Amendment, RemoveDomain, SetDefault
from aimx.doors.wish import Question


def arguments(parser: Parser) -> None:
    parser.set_defaults(crud="domain")
    listing = parser.nest("list", "list domains, with their keys and mailboxes")
    listing.add_argument("--json", action="store_true", help="the same as data")
    add = parser.nest("add", "add a domain, with a DKIM key of its own")
    add.add_argument("domain", metavar="DOMAIN", type=name)
    add.add_argument("--selector", type=name, help="of its DKIM key (as for the others)")
    add.add_argument(
        "--no-dns-check", action="store_true", help="tell the DNS records, and look none up"
    )
    remove = parser.nest("remove", "remove a domain; its DKIM key stays")
    remove.add_argument("domain", metavar="DOMAIN", type=name)
    remove.add_argument(
        "--force", action="store_true", help="its mailboxes go too, and their mail is set aside"
    )
    default = parser.nest("set-default", "make a domain the default one, which bare names mean")
    default.add_argument("domain", metavar="DOMAIN", type=name)
    rotate = parser.nest("rotate-dkim", "sign with a new key of the domain, once it is published")
    rotate.add_argument("domain", metavar="DOMAIN", type=name)
    rotate.add_argument("--selector", type=name, help="of the new key (the old one's, counted on)")
    rotate.add_argument(
        "--no-dns-check", action="store_true", help="sign with it, whether it is published or not"
    )
    for each in (add, remove, default, rotate):
        amend.arguments(each)


def run(options: Options) -> int:
    if options.does == "list":
        return administer.tell(options, administer.report(options, Question("LIST", of="domains")))
    if options.does == "rotate-dkim":
        return rotation.rotated(options)
    code = amend.amended(options, _amendment(options))
    if amend.is_done(options, code):
        terminal.say(_told(options))
        if options.does == "add":
            publish.told(options, publish.records(options, options.domain))
    return code


def _amendment(options: Options) -> Amendment:
    match options.does:
        case "add":
            return AddDomain(options.domain, options.selector or "")
        case "remove":
            return RemoveDomain(options.domain, options.force)
        case _:
            return SetDefault(options.domain)


def _told(options: Options) -> str:
    from desired.names import Domain  # Nobody waits for it any more.

    domain = str(Domain.parse(options.domain))
    keys = os.path.join(roots.chosen(options)["config-dir"], "dkim", domain)
    match options.does:
        case "add":
            return f"Added domain {domain}\nDKIM keypair: {keys}"
        case "remove":
            return f"Removed domain {domain}\nDKIM keypair preserved at {keys}"
        case _:
            return f"The default domain is {domain}."
