"""The tables of the documents are those of the code."""

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, get_args

from aimx.controller.conditions import ORDER, Status
from aimx.doors.exits import Exit
from aimx.doors.socket import frames
from aimx.hooks.command import Command
from aimx.hooks.facts import Facts
from aimx.hooks.variables import variables
from aimx.metrics.table import CONDITION, METRICS, REPLIES
from aimx.outbound.queue.states import State, status
from aimx.smtp import replies
from aimx.smtp.replies import Reply
from reconcilers.kinds.table import RECONCILERS
from reconcilers.roots import Roots
from reconcilers.step import Phase

ROOT = Path(__file__).parents[2]

Rows = Callable[[str], list[list[str]]]


def test_the_exit_codes(rows: Rows) -> None:
    shown = {row[1].strip("`"): int(row[0]) for row in rows("docs/errors.md") if row[0].isdigit()}

    assert shown == {name: code.value for name, code in Exit.__members__.items()}


def test_the_codes_of_the_socket(rows: Rows) -> None:
    text = (ROOT / "docs/errors.md").read_text()
    section = text[text.index("## Codes of the socket") : text.index("## Exceptions")]
    first = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]

    assert sorted(re.findall(r"`([A-Z_]+)`", "".join(first))) == sorted(frames.Code)


def test_the_states_of_a_recipient(rows: Rows) -> None:
    shown = {row[0].strip("`"): row[-1].strip("`") for row in rows("docs/outbound.md")}

    assert {state: shown.get(state) for state in State} == {
        state: status([state]) for state in State
    }


def test_the_variables_of_a_hook(rows: Rows) -> None:
    shown = re.findall(r"`([A-Z_]+)`", " ".join(row[0] for row in rows("docs/hooks.md")))
    command = Command("", "after_send", "", "", "", "", None, (), 0, False, 0)
    facts = Facts("", "", "", "", "", "", "")

    assert sorted(shown) == sorted([*variables(command, facts, "", None), "HOME"])


def test_the_tree_of_exceptions(sources: dict[str, str]) -> None:
    text = (ROOT / "docs/errors.md").read_text()
    shown, above = {}, [""]
    for indent, name, module in re.findall(r"^    ([│├└─ ]*)(\w+)(?: +(\S+\.py))?$", text, re.M):
        depth = len(indent) // 3
        del above[depth + 1 :]
        if module:
            shown[name] = above[depth], module
        above.append(name)

    assert shown == {
        node.name: (node.bases[0].id, path)
        for path, source in sources.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and re.fullmatch(r"[A-Z]\w+Error", node.name)
        if isinstance(node.bases[0], ast.Name)
    }


def test_the_verbs_of_the_socket() -> None:
    text = (ROOT / "docs/socket.md").read_text()
    headings = re.findall(r"^## (.+)$", text, re.M)

    assert {verb for heading in headings for verb in heading.split(", ")} - {"Frames"} == set(
        frames.VERBS
    )
    for shape in frames.VERBS.values():
        for header in shape.required | shape.optional:
            assert f"`{header.title()}`" in text


def test_the_requests_that_are_shown_can_be_read() -> None:
    text = (ROOT / "docs/socket.md").read_text()
    requests = re.findall(r"(?:^    C:.*\n)+", text, re.M)
    read = 0
    for request in requests:
        lines = [line.removeprefix("    C:").strip() for line in request.splitlines()]
        if "VERB" in lines[0].split():
            continue
        end = lines.index("")
        head = frames.parse([line.encode() for line in lines[:end]])
        body = "".join(f"{line}\n" for line in lines[end + 1 :])
        assert head.body_length == len(body)
        read += 1

    assert read == 6


def test_the_tree_on_disk() -> None:
    roots = Roots(*map(PurePosixPath, ("/config", "/data", "/run", "/config/manifest.toml")))
    text = (ROOT / "docs/disk.md").read_text()
    properties = [name for name, value in vars(Roots).items() if isinstance(value, property)]

    assert [name for name in properties if getattr(roots, name).name not in text] == []


def test_the_kinds_and_phases() -> None:
    glossary = (ROOT / "docs/glossary.md").read_text().lower()
    architecture = (ROOT / "docs/architecture.md").read_text()
    order = [architecture.index(f"│  {phase.name} ") for phase in Phase]

    assert order == sorted(order)
    assert [it.kind for it in RECONCILERS if it.kind not in glossary] == []


def test_the_phases_of_the_schemas() -> None:
    said = [phase.name.lower() for phase in Phase]
    text = {path.stem: path.read_text() for path in (ROOT / "docs/schemas").glob("*.json")}

    for name in ("event", "plan"):
        assert said in list(enumerations(json.loads(text[name])))


def enumerations(schema: Any) -> Iterator[list[str]]:
    """The words of each member that knows only some."""
    if isinstance(schema, dict):
        if "enum" in schema:
            yield schema["enum"]
        schema = list(schema.values())
    for each in schema if isinstance(schema, list) else ():
        yield from enumerations(each)


def test_the_metrics(rows: Rows) -> None:
    shown = [row for row in rows("docs/metrics.md") if row[0].startswith("`aimx_")]

    assert shown == [
        [
            f"`{metric.name}`",
            metric.kind,
            "; ".join(_label(*each) for each in metric.labels.items()),
            metric.help,
        ]
        for metric in METRICS
    ]


def _label(name: str, values: tuple[str, ...]) -> str:
    return f"`{name}`: {', '.join(values)}" if values else f"`{name}`"


def test_the_conditions(rows: Rows) -> None:
    told = [row for row in rows("docs/metrics.md") if row[1] in ("`True`", "`False`")]

    assert [row[0].strip("`") for row in told] == [*ORDER]


def test_the_conditions_that_are_measured() -> None:
    assert CONDITION.labels == {"type": ORDER, "status": get_args(Status)}


def test_the_refusals_that_are_counted() -> None:
    said = {it.code for it in vars(replies).values() if isinstance(it, Reply) and it.code >= 400}

    assert {int(code) for code in REPLIES.labels["code"]} == said
