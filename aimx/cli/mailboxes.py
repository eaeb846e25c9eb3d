"""`aimx mailboxes`: mailboxes come and go in the manifest, each planned and applied in one go."""

from __future__ import annotations

import os
import pwd

from aimx.cli import administer, amend, terminal
from aimx.cli.options import MisusedError, Options, Parser, name
from aimx.controller.amendments import Amendment, CreateMailbox, DeleteMailbox
from aimx.doors.wish import Question


def arguments(parser: Parser) -> None:
    parser.set_defaults(crud="mailbox")
    listing = parser.nest("list", "list mailboxes, with how much mail they hold")
    listing.add_argument("--all", action="store_true", help="everybody's, as root always sees")
    show = parser.nest("show", "show one mailbox, with its hooks and who is trusted there")
    show.add_argument("name", metavar="NAME", type=name, help="an address, or its local part")
    for each in (listing, show):
        each.add_argument("--json", action="store_true", help="the same as data")
    create = parser.nest("create", "create a mailbox")
    create.add_argument("name", metavar="NAME", type=name, help="an address, or its local part")
    create.add_argument("--owner", type=name, help="the Linux user whose mail it is")
    delete = parser.nest("delete", "delete a mailbox; its mail is set aside")
    delete.add_argument("name", metavar="NAME", type=name, help="an address, or its local part")
    delete.add_argument("--force", action="store_true", help="also one that holds mail")
    for each in (create, delete):
        amend.arguments(each)


def run(options: Options) -> int:
    if options.does in ("list", "show"):
        return administer.tell(options, administer.report(options, _question(options)))
    code = amend.amended(options, _amendment(options))
    if amend.is_done(options, code):
        terminal.say(_told(options))
    return code


def _question(options: Options) -> Question:
    if options.does == "show":
        return Question("LIST", options.name, "mailbox")
    return Question("LIST", of="mailboxes")


def _amendment(options: Options) -> Amendment:
    if options.does == "create":
        options.owner = _owner(options)
        return CreateMailbox(options.name, options.owner)
    return DeleteMailbox(options.name, options.force)


def _owner(options: Options) -> str:
    """Who is named; else who runs this, or for root the user that the mailbox is named after."""
    if options.owner:
        return str(options.owner)
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    usual: str = options.name.partition("@")[0]
    try:
        pwd.getpwnam(usual)
    except KeyError:
        usual = ""
    if terminal.can_ask():
        usual = terminal.answer(f"Which Linux user should own {options.name}?", usual)
    if not usual:
        raise MisusedError("say whose mailbox it is: --owner USER")
    return usual


def _told(options: Options) -> str:
    if options.does == "create":
        return f"Mailbox '{options.name}' created (owner: {options.owner})."
    return f"Mailbox '{options.name}' deleted."
