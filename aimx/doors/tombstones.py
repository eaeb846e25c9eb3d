"""Mail set aside, told and restored or purged: the same by the daemon and by a command alone."""

from __future__ import annotations

import json

from aimx.controller.account import Errand as Done
from aimx.controller.instance import Instance
from aimx.doors.exits import Exit
from aimx.doors.wish import Answer, Errand, Wish
from desired.frozen import asdict
from desired.problem import printable
from reconcilers.fingerprint import plan_id
from reconcilers.plan import Plan
from reconcilers.report.document import written
from reconcilers.report.progress import apply_text
from reconcilers.report.text import plan_text
from reconcilers.tombstones import Tombstone, purge, restoration, tombstones, whose


def plan_of(instance: Instance, errand: Errand) -> Plan:
    """What it takes; raises `NoTombstoneError` or `UnseenError`."""
    with instance.looking() as host:
        made = restoration if errand.does == "restore" else purge
        return made(host, instance.roots, errand.name)


def shown(instance: Instance, wish: Wish, errand: Errand) -> Answer:
    """The list, or what would be done."""
    if errand.does == "list":
        return _listed(instance, wish)
    plan = plan_of(instance, errand)
    told = plan_text(plan, columns=wish.columns, colour=wish.color, advised=False)
    return Answer(
        exit=Exit.REFUSED if plan.blocked else Exit.DONE,
        output=written(plan).decode() if wish.view == "json" else told,
        plan_id=plan_id(plan),
        pending=len(plan.pending),
        blocked=len(plan.blocked),
        typed=whose(plan) if errand.does == "purge" else "",
    )


def finished(done: Done, wish: Wish) -> Answer:
    """How it ended."""
    if wish.view == "json":
        receipts = [asdict(receipt) for receipt in done.receipts]
        output = json.dumps({"receipts": receipts, **asdict(done.summary)}, indent=2)
    else:
        output = apply_text(done.receipts, done.summary, columns=wish.columns)
        output += f"{done.trouble}\n" if done.trouble else ""
    whole = done.summary.is_complete and not done.plan.blocked
    return Answer(exit=Exit.DONE if whole else Exit.PARTIAL, output=output)


def _listed(instance: Instance, wish: Wish) -> Answer:
    with instance.looking() as host:
        found = tombstones(host, instance.roots)
    if wish.view == "json":
        head = {"format": "aimx.tombstones", "format_version": "1.0"}
        rows = [{"name": each.name, **_facts(each)} for each in found]
        return Answer(Exit.DONE, json.dumps({**head, "tombstones": rows}, indent=2))
    if not found:
        return Answer(Exit.DONE, "No mail is set aside.")
    return Answer(Exit.DONE, "\n".join(map(_line, found)))


def _facts(stone: Tombstone) -> dict[str, str | int]:
    record = stone.record
    return {
        "address": record.address,
        "domain": record.address.rpartition("@")[2],
        "owner": record.owner,
        "uid": record.uid,
        "generation": record.generation,
        "at": record.at,
        "messages": record.messages,
        "octets": record.octets,
        "newest": record.newest,
    }


def _line(stone: Tombstone) -> str:
    record = stone.record
    owner, since = record.owner or "nobody known", record.at[:10] or "a time unknown"
    return printable(f"{stone.name}  {record.address} of {owner}, set aside {since}: {record.mail}")
