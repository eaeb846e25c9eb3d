"""The steps of a plan and what each waits for, drawn by others: as Mermaid or as DOT.

Both languages take a step's own number for its name, so that nothing that a manifest says is ever
more than a text in quotes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby

from desired.frozen import frozen
from desired.problem import printable
from reconcilers.plan import Plan
from reconcilers.report.view import summary
from reconcilers.step import Step


@frozen
class Node:
    """A step, by a name that is free of whatever a language would read."""

    name: str
    text: str


@frozen
class Graph:
    """What there is to be drawn."""

    title: str
    phases: tuple[tuple[str, tuple[Node, ...]], ...]  # In the order of an apply.
    edges: tuple[tuple[str, str], ...]  # From what comes first to what waits for it.


def graph(plan: Plan, pinned: int = 0) -> Graph:
    """The steps by their phases; none where there is nothing to do, or a rule refuses all.

    `pinned`: the generation whose manifest is in force rather than the one on disk, if any.
    """
    names = {step.id: f"step{number}" for number, step in enumerate(plan.steps, start=1)}
    phases = groupby(plan.steps, key=lambda step: step.phase)
    source = f"Towards the manifest of generation {pinned}, which is pinned. " if pinned else ""
    told = f"Nothing of it is applied: {plan.refused.reason}" if plan.refused else summary(plan)
    return Graph(
        f"{source}{told}",
        tuple(
            (phase.name.lower(), tuple(Node(names[step.id], _text(step)) for step in steps))
            for phase, steps in phases
        ),
        tuple((names[first], names[step.id]) for step in plan.steps for first in step.after),
    )


def mermaid(plan: Plan, pinned: int = 0) -> str:
    return "\n".join(_mermaid(graph(plan, pinned))) + "\n"


def dot(plan: Plan, pinned: int = 0) -> str:
    return "\n".join(_dot(graph(plan, pinned))) + "\n"


LANGUAGES: Mapping[str, Callable[[Plan, int], str]] = {"mermaid": mermaid, "dot": dot}


def _text(step: Step) -> str:
    return printable(f"{step.address}: {step.operation}")


def _mermaid(drawn: Graph) -> Iterator[str]:
    yield "flowchart TD"
    yield f'    title["{_entities(drawn.title)}"]'
    for phase, nodes in drawn.phases:
        # A bare `end` would be read as one: the phases' names are never written without a mark.
        yield f'    subgraph phase_{phase}["{phase}"]'
        yield from (f'        {node.name}["{_entities(node.text)}"]' for node in nodes)
        yield "    end"
    yield from (f"    {first} --> {then}" for first, then in drawn.edges)


def _entities(text: str) -> str:
    """The text with all that Mermaid, or Markdown or HTML in it, would read as its code."""
    return "".join(c if _is_plain(c) else f"#{ord(c)};" for c in printable(text))


def _is_plain(character: str) -> bool:
    return character.isalnum() or character in " .,:/@-"


def _dot(drawn: Graph) -> Iterator[str]:
    yield "digraph plan {"
    yield "    rankdir=LR;"
    yield "    node [shape=box];"
    yield f"    label={_quoted(drawn.title)};"
    for phase, nodes in drawn.phases:
        yield f"    subgraph cluster_{phase} {{"
        yield f"        label={_quoted(phase)};"
        yield from (f"        {node.name} [label={_quoted(node.text)}];" for node in nodes)
        yield "    }"
    yield from (f"    {first} -> {then};" for first, then in drawn.edges)
    yield "}"


def _quoted(text: str) -> str:
    """A string of DOT, in which nothing is an escape: `\\N` would be the node's name."""
    # An ampersand would begin an entity of HTML, which DOT reads in every label.
    text = printable(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
    return f'"{text}"'
