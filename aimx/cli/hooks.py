"""`aimx hooks`: the commands of mailboxes come and go in the manifest."""

from __future__ import annotations

import json

from aimx.cli import administer, amend, terminal
from aimx.cli.options import Options, Parser, name, unfit
from aimx.controller.amendments import Amendment, CreateHook, DeleteHook
from aimx.doors.wish import Question


def arguments(parser: Parser) -> None:
    parser.set_defaults(crud="hook")
    listing = parser.nest("list", "list the commands of all mailboxes, or of one")
    listing.add_argument("--mailbox", type=name, metavar="NAME", help="of this one alone")
    listing.add_argument("--json", action="store_true", help="the same as data")
    create = parser.nest("create", "run a command on the mail of a mailbox")
    create.add_argument("--mailbox", required=True, type=name, metavar="NAME")
    create.add_argument("--event", required=True, choices=("on_receive", "after_send"))
    create.add_argument(
        "--cmd",
        required=True,
        type=_words,
        metavar="JSON",
        help="""what is run, such as '["/usr/bin/notify", "new mail"]'""",
    )
    create.add_argument("--name", type=name, help="(derived from what it does)")
    create.add_argument("--timeout-secs", type=int, default=60, metavar="N", help="(60)")
    create.add_argument("--fire-on-untrusted", action="store_true", help="also for untrusted mail")
    delete = parser.nest("delete", "delete a hook")
    delete.add_argument("name", metavar="NAME", type=name)
    for each in (create, delete):
        amend.arguments(each)


def _words(text: str) -> tuple[str, ...]:
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if not isinstance(said, list) or not all(isinstance(word, str) for word in said) or not said:
        raise unfit(
            "--cmd must be a JSON array of strings, e.g."
            f""" --cmd '["/bin/echo", "hello"]'; got: {text}"""
        )
    return tuple(said)


def run(options: Options) -> int:
    if options.does == "list":
        question = Question("LIST", options.mailbox or "", "hooks")
        return administer.tell(options, administer.report(options, question))
    amendment = _amendment(options)
    code = amend.amended(options, amendment)
    if amend.is_done(options, code):
        terminal.say(_told(amendment))
    return code


def _amendment(options: Options) -> Amendment:
    if options.does == "delete":
        return DeleteHook(options.name)
    return CreateHook(
        options.mailbox,
        options.event,
        options.cmd,
        options.name or "",
        options.timeout_secs,
        options.fire_on_untrusted,
    )


def _told(amendment: Amendment) -> str:
    match amendment:
        case CreateHook() as hook:
            from desired.names import HookName  # Nobody waits for it any more.

            made = HookName.derived(hook.event, hook.cmd, fire_on_untrusted=hook.fire_on_untrusted)
            return f"Hook created: {hook.name or made}"
        case DeleteHook(known):
            return f"Hook deleted: {known}"
        case _:
            raise AssertionError(amendment)
