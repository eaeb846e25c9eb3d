"""What changed between two generations: the manifest's text, and the resources."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff
from typing import Any

from desired.desired import Desired
from desired.frozen import asdict, frozen
from desired.problem import Source, printable
from reconcilers.change import Field
from reconcilers.contrast import contrast
from reconcilers.generations import Generation
from reconcilers.report.colour import painted
from reconcilers.report.past import moment
from reconcilers.report.printable import wrapped


@frozen
class Comparison:
    """The second generation against the first."""

    first: Generation
    second: Generation
    text: tuple[str, ...]  # A unified diff of the manifest's files, line by line.
    moved: tuple[tuple[str, str], ...]  # Addresses, before and after.
    came: tuple[str, ...]  # Addresses that only the second has.
    went: tuple[str, ...]  # Addresses that only the first has.
    settings: tuple[Field, ...]

    @property
    def is_none(self) -> bool:
        return not (self.text or self.moved or self.came or self.went or self.settings)


def compared(first: Generation, before: Desired, second: Generation, after: Desired) -> Comparison:
    """Each generation with what it desires."""
    old, new = _addresses(before), _addresses(after)
    came = [address for address in new if address not in old]
    went = [address for address in old if address not in new]
    pairs = ((f"mailbox/{each.source}", f"mailbox/{each.target}") for each in after.moved)
    moved = {source: target for source, target in pairs if source in went and target in came}
    return Comparison(
        first,
        second,
        tuple(_text(first, second)),
        tuple(moved.items()),
        tuple(address for address in came if address not in moved.values()),
        tuple(address for address in went if address not in moved),
        contrast(before, after, most=None),
    )


def comparison_text(comparison: Comparison, *, columns: int = 80, colour: bool = False) -> str:
    first, second = comparison.first, comparison.second
    if comparison.is_none:
        return f"Generations {first.number} and {second.number} desire the same.\n"
    lines = [_titled(first), _titled(second)]
    if comparison.text:
        lines += ["", *(painted(line[:1], line, colour=colour) for line in comparison.text)]
    lines += ["", "Resources:"]
    for source, target in comparison.moved:
        head = f"  > {printable(target)} was {printable(source)}"
        lines.append(painted(">", head, colour=colour))
    for sign, addresses in (("-", comparison.went), ("+", comparison.came)):
        heads = (f"  {sign} {printable(address)}" for address in addresses)
        lines += [painted(sign, head, colour=colour) for head in heads]
    for field in comparison.settings:
        told = f"{field.name}: {field.before or 'nothing'} -> {field.after or 'nothing'}"
        told_in_lines = wrapped(told, columns, " " * 8, "  ~ ")
        lines += [painted("~", line, colour=colour) for line in told_in_lines]
    if lines[-1] == "Resources:":
        lines.append("  the same, and with the same settings")
    return "\n".join(lines) + "\n"


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    return {
        "format": "aimx.comparison",
        "format_version": "1.0",
        "from": comparison.first.number,
        "to": comparison.second.number,
        "manifest": list(comparison.text),
        "moved": [{"from": source, "to": target} for source, target in comparison.moved],
        "came": list(comparison.came),
        "went": list(comparison.went),
        "settings": [asdict(field) for field in comparison.settings],
    }


def _titled(generation: Generation) -> str:
    who = generation.who
    by = printable(f"{who.account or f'uid {who.uid}'} through {who.origin}")
    return f"Generation {generation.number}: {moment(generation.at)} by {by}"


def _addresses(desired: Desired) -> dict[str, None]:
    """What it names, in the order of a plan."""
    return dict.fromkeys(
        [
            *(
                f"dkim/{domain.name}/{selector}"
                for domain in desired.domains
                for selector in domain.selectors.values()
            ),
            *(f"domain/{domain.name}" for domain in desired.domains),
            *(f"mailbox/{address}" for address in desired.mailboxes),
            *(f"identity/{slug}" for slug in desired.identities),
        ]
    )


def _text(first: Generation, second: Generation) -> Iterator[str]:
    """Of each file that either has; one that the other has not is all new, or all gone."""
    old, new = _by_name(first.sources), _by_name(second.sources)
    for name in dict.fromkeys((*old, *new)):
        for line in unified_diff(
            _lines(old.get(name)),
            _lines(new.get(name)),
            f"{name} (generation {first.number})",
            f"{name} (generation {second.number})",
            lineterm="",
        ):
            yield _shown(line)


def _by_name(sources: tuple[Source, ...]) -> dict[str, Source]:
    return {source.name: source for source in sources}


def _lines(source: Source | None) -> list[str]:
    if source is None:
        return []
    # Only a line feed ends a line of TOML; `splitlines` knows ten more.
    return source.raw.decode("utf-8", "replace").removesuffix("\n").split("\n")


def _shown(line: str) -> str:
    """A line of a manifest as it may be shown; a tab is no more than space."""
    return "\t".join(printable(part) for part in line.split("\t"))
