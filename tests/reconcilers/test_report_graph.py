"""Both languages are read back by a small parser, which takes nothing that it does not know."""

import re
import shutil
import subprocess
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desired.problem import printable
from reconcilers.change import Blocked
from reconcilers.host.host import Access
from reconcilers.operations.files import MakeDirectory
from reconcilers.plan import Plan
from reconcilers.report.graph import dot, mermaid
from reconcilers.step import Phase, Step

MANIFEST = """
domains = ["a.com"]
[mailboxes."info@a.com"]
owner = "alice"
"""
HOSTILE = [
    'x"] --> y["',
    "end",
    "`**bold**`",
    "\\N \\l \\",
    "</a> <b> &amp; &#1;",
    "#35; #quot;",
    "%% a comment",
    "a;b|c{d}(e)[f]",
    "\x1b[2J\r\n\u202e",
    "häme@例え.test",
    "*@a.com",
]

texts = st.text(max_size=30) | st.sampled_from(HOSTILE)


@st.composite
def plans(draw):
    """Steps of any name, each waiting for some of those before it."""
    count = draw(st.integers(0, 6))
    phases = sorted(draw(st.lists(st.sampled_from(Phase), min_size=count, max_size=count)))
    steps = []
    for number, phase in enumerate(phases):
        name = draw(texts)
        path = PurePosixPath("/") / draw(texts).replace("\0", "")
        before = [step.id for step in steps]
        after = draw(st.lists(st.sampled_from(before), unique=True)) if before else []
        made = MakeDirectory(path, Access(0o700, 0, 0))
        steps.append(Step(f"{name}#{number}", name, phase, made, tuple(after)))
    return Plan(1, "", (), tuple(steps), 0)


MERMAID_NODE = re.compile(r'([a-z0-9]+)\["((?:[^"#;&<>`\\\[\](){}|%*_]|#[0-9]+;)*)"\]')


def read_mermaid(text):
    """The title, the steps by phase, and the edges."""
    lines = text.splitlines()
    assert lines.pop(0) == "flowchart TD"
    title = node(lines.pop(0).strip())
    assert title[0] == "title"
    phases, edges = [], []
    while lines and (head := re.fullmatch(r' +subgraph phase_(\w+)\["(\w+)"\]', lines[0])):
        end = lines.index("    end")
        assert head[1] == head[2]
        phases.append((head[1], [node(line.strip()) for line in lines[1:end]]))
        del lines[: end + 1]
    for line in lines:
        edges.append(re.fullmatch(r" +(\w+) --> (\w+)", line).groups())
    return title[1], phases, edges


def node(text):
    name, quoted = MERMAID_NODE.fullmatch(text).groups()
    return name, re.sub("#([0-9]+);", lambda code: chr(int(code[1])), quoted)


DOT_TOKEN = re.compile(r'\s*(?:"((?:[^"\\\n]|\\["\\])*)"|(->|[{}\[\]=;])|([a-z_][a-z0-9_]*|LR))')


def read_dot(text):
    tokens = dot_tokens(text)
    take(tokens, "digraph", "plan", "{", "rankdir", "=", "LR", ";")
    take(tokens, "node", "[", "shape", "=", "box", "]", ";", "label", "=")
    title = label(tokens.pop(0))
    take(tokens, ";")
    phases, edges = [], []
    while tokens[0] == "subgraph":
        take(tokens, "subgraph")
        cluster = tokens.pop(0)
        take(tokens, "{", "label", "=")
        phase, nodes = label(tokens.pop(0)), []
        assert cluster == f"cluster_{phase}"
        take(tokens, ";")
        while tokens[0] != "}":
            name = tokens.pop(0)
            take(tokens, "[", "label", "=")
            nodes.append((name, label(tokens.pop(0))))
            take(tokens, "]", ";")
        take(tokens, "}")
        phases.append((phase, nodes))
    while tokens[0] != "}":
        first = tokens.pop(0)
        take(tokens, "->")
        edges.append((first, tokens.pop(0)))
        take(tokens, ";")
    take(tokens, "}")
    assert tokens == []
    return title, phases, edges


def dot_tokens(text):
    tokens, at, text = [], 0, text.rstrip()
    while at < len(text):
        found = DOT_TOKEN.match(text, at)
        assert found, text[at : at + 40]
        quoted, sign, word = found.groups()
        tokens.append(("text", quoted) if quoted is not None else sign or word)
        at = found.end()
    return tokens


def take(tokens, *wanted):
    assert tuple(tokens[: len(wanted)]) == wanted
    del tokens[: len(wanted)]


def label(token):
    kind, text = token
    assert kind == "text"
    return re.sub(r"\\(.)", r"\1", text).replace("&amp;", "&")


def drawn(plan):
    """What any language is to say of a plan."""
    names = {step.id: f"step{number}" for number, step in enumerate(plan.steps, 1)}
    phases: dict[str, list[tuple[str, str]]] = {}
    for step in plan.steps:
        told = printable(f"{step.address}: {step.operation}")
        phases.setdefault(step.phase.name.lower(), []).append((names[step.id], told))
    edges = [(names[first], names[step.id]) for step in plan.steps for first in step.after]
    return list(phases.items()), edges


LANGUAGES = [
    pytest.param(mermaid, read_mermaid, id="mermaid"),
    pytest.param(dot, read_dot, id="dot"),
]


@pytest.mark.parametrize(("draw", "read"), LANGUAGES)
@given(plan=plans())
def test_a_drawing_says_what_the_plan_does_whatever_its_names_are(draw, read, plan):
    _, phases, edges = read(draw(plan))

    assert (phases, edges) == drawn(plan)


@pytest.mark.parametrize(("draw", "read"), LANGUAGES)
def test_every_step_of_a_fresh_install_is_drawn_with_what_it_waits_for(machine, draw, read):
    plan = machine.plan(MANIFEST)

    title, phases, edges = read(draw(plan))

    assert title.startswith("Plan: 7 to create")
    assert [name for name, _ in phases] == [
        "keys",
        "storage",
        "prepare",
        "config",
        "commit",
        "marker",
    ]
    assert (phases, edges) == drawn(plan)


@pytest.mark.parametrize(("draw", "read"), LANGUAGES)
def test_nothing_to_do_is_a_drawing_of_one_line(machine, draw, read):
    machine.apply(MANIFEST)

    title, phases, edges = read(draw(machine.plan(MANIFEST)))

    assert title == "No changes. The machine matches the manifest (generation 1)."
    assert (phases, edges) == ([], [])


@pytest.mark.parametrize(("draw", "read"), LANGUAGES)
def test_a_plan_that_is_refused_says_so_and_draws_nothing(draw, read):
    refused = Blocked("code", 'too "much"', "less")

    assert read(draw(Plan(1, "", (), (), 0, refused=refused))) == (
        'Nothing of it is applied: too "much"',
        [],
        [],
    )


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
@given(plan=plans())
def test_graphviz_reads_what_is_drawn(plan):
    drawing = subprocess.run(
        ["dot", "-Tdot"], input=dot(plan), text=True, capture_output=True, check=False
    )

    assert (drawing.returncode, drawing.stderr) == (0, "")
