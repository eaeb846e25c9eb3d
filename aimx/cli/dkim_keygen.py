"""`aimx dkim-keygen`: a DKIM key is made where the engine reads it, as a plan like any other."""

from __future__ import annotations

from aimx.cli import amend, publish
from aimx.cli.options import Options, Parser, name
from aimx.controller.amendments import MakeKey


def arguments(parser: Parser) -> None:
    parser.add_argument("--domain", type=name, help="(the default domain)")
    parser.add_argument("--selector", type=name, help="(the one that the domain signs with)")
    parser.add_argument(
        "--force",
        action="store_true",
        help="put a new key in the place of one that is there, which is kept with its date",
    )
    amend.arguments(parser)
    parser.set_defaults(crud="domain", does="", no_dns_check=True)


def run(options: Options) -> int:
    domain, selector = options.domain or "", options.selector or ""
    code = amend.amended(options, MakeKey(domain, selector, options.force))
    if amend.is_done(options, code):
        document = publish.records(options, domain)
        if selector:
            document = publish.records(options, f"dkim/{document['domain']}/{selector}")
        publish.told(options, document)
    return code
