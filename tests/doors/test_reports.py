"""A report through the daemon is the one that a command makes by itself."""

import asyncio
import json
import os
import pwd
from pathlib import PurePosixPath

import pytest

from aimx.controller.activation import Running
from aimx.controller.alone import Alone
from aimx.controller.instance import Instance
from aimx.controller.loop import Controller
from aimx.controller.planner import OwnThread
from aimx.controller.state import State
from aimx.controller.watched import Watched
from aimx.doors.authorize import Caller
from aimx.doors.daemon import Daemon
from aimx.doors.direct import Direct
from aimx.doors.socket import client, frames
from aimx.doors.socket.verbs import Verbs
from aimx.doors.wish import Question, Wish
from reconcilers.consent import Consent
from reconcilers.generations import Who
from reconcilers.roots import Roots

MAILBOX = "mailbox/info@example.com"
QUESTIONS = [
    pytest.param(Question("EXPLAIN", address=MAILBOX), id="explain"),
    pytest.param(Question("EXPLAIN", address="info@example.com"), id="explain-unknown"),
    pytest.param(Question("GRAPH"), id="graph"),
    pytest.param(Question("DIFF"), id="drift"),
    pytest.param(Question("DIFF", generations=(1, 1)), id="comparison"),
    pytest.param(Question("HISTORY"), id="history"),
    pytest.param(Question("HISTORY", generations=(1,)), id="generation"),
    pytest.param(Question("HISTORY", generations=(7,)), id="no-such-generation"),
]


@pytest.fixture
def instance(tmp_path):
    """One generation is applied."""
    config = tmp_path / "config"
    config.mkdir()
    manifest = config / "manifest.toml"
    owner = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    manifest.write_text(
        f'domains = ["example.com"]\n[mailboxes."info@example.com"]\nowner = "{owner}"\n'
    )
    made = Instance.of(
        Roots(*map(PurePosixPath, (config, tmp_path / "data", tmp_path / "run", manifest)))
    )
    alone = Alone(made.host, made.roots)
    who = Who(os.geteuid(), "", "test")
    assert made.apply(None, alone, who, Consent(), Watched()).summary.is_complete
    return made


def through_the_socket(instance, head: dict[str, str], verb: str, uid: int):
    async def ask() -> bytes:
        running = Running(None, asyncio.get_running_loop(), instance.host, instance.roots)
        planner = OwnThread(instance, running)
        controller = Controller(instance, planner, lambda: None, State(instance))
        verbs = Verbs(os.geteuid(), "1.2.3", Daemon(controller), None)
        lines = [f"AIMX/1 {verb}", *(f"{name}: {value}" for name, value in head.items())]
        request = frames.parse([line.encode() for line in lines])
        return await verbs.answer(request, Caller(uid, uid, 1), -1)

    return client.parse(asyncio.run(ask()))


@pytest.mark.parametrize("view", ["text", "json"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_the_daemon_tells_what_a_command_alone_tells(instance, question, view):
    view = "dot" if question.verb == "GRAPH" else view
    alone = Direct(instance).report(Wish(view=view, columns=60), question)

    reply = through_the_socket(
        instance,
        {**question.headers(), "Format": view, "Columns": "60"},
        question.verb,
        os.geteuid(),
    )

    assert reply == client.Ok(document=alone.document())


@pytest.mark.parametrize("question", QUESTIONS)
def test_who_is_no_administrator_is_told_nothing(instance, question):
    reply = through_the_socket(instance, question.headers(), question.verb, 12345)

    assert reply == client.Err("EACCES", "not authorized")


@pytest.mark.parametrize(
    ("verb", "head", "reason"),
    [
        ("EXPLAIN", {}, "missing header 'address'"),
        ("DIFF", {"From": "1"}, "from and to come together"),
        ("DIFF", {"From": "1", "To": "x"}, "to must be a number"),
        ("HISTORY", {"Generation": "-1"}, "generation must be a number"),
        ("GRAPH", {"Format": "json"}, "format must be mermaid or dot"),
        ("HISTORY", {"Format": "dot"}, "format must be text or json"),
    ],
)
def test_a_question_that_makes_no_sense_is_malformed(instance, verb, head, reason):
    with pytest.raises(frames.FrameError, match=reason):
        through_the_socket(instance, head, verb, os.geteuid())


@pytest.mark.parametrize("head", [{"Format": "text"}, {"Format": "json", "Every": "true"}])
def test_a_status_comes_in_the_form_that_is_asked_for(instance, head):
    reply = through_the_socket(instance, {**head, "Columns": "60"}, "STATUS", os.geteuid())

    assert reply.document["exit"] == 0
    assert reply.document["pending"] == 0
    if head["Format"] == "json":
        rows = json.loads(reply.document["output"])["resources"]
        assert {"layout", "config", MAILBOX} <= {row["address"] for row in rows}
    else:
        assert "resources, all as the manifest says." in reply.document["output"]


def test_a_status_without_a_form_is_the_document(instance):
    reply = through_the_socket(instance, {}, "STATUS", os.geteuid())

    document = reply.document
    assert document["format"] == "aimx.status"
    assert [row for row in document["resources"] if row["apply"]] == []


def test_the_documents_name_their_format(instance):
    formats = {
        json.loads(Direct(instance).report(Wish(view="json"), question).output)["format"]
        for question in (
            Question("EXPLAIN", address=MAILBOX),
            Question("DIFF"),
            Question("DIFF", generations=(1, 1)),
            Question("HISTORY"),
            Question("HISTORY", generations=(1,)),
        )
    }

    assert formats == {
        "aimx.explanation",
        "aimx.drift",
        "aimx.comparison",
        "aimx.history",
        "aimx.generation",
    }
