import asyncio
from pathlib import PurePosixPath

import pytest

from aimx.controller.activation import Running
from aimx.controller.instance import Instance
from aimx.controller.loop import Controller
from aimx.controller.planner import OwnThread
from aimx.controller.state import State
from aimx.doors.daemon import Daemon
from aimx.doors.exits import Exit
from aimx.doors.socket.frames import Code, FrameError
from aimx.doors.wish import Answer, Wish
from desired.manifest import read
from desired.problem import Source
from reconcilers.roots import Roots


@pytest.fixture
def asked(tmp_path):
    """What the daemon of an older manifest answers, whose mail is not where others look."""
    config, data = tmp_path / "config", tmp_path / "data"
    config.mkdir()
    manifest = config / "manifest.toml"
    manifest.write_text(f'domain = "example.com"\ndata_dir = "{tmp_path}/mail"\n')
    roots = Roots(*map(PurePosixPath, (config, data, tmp_path / "run", manifest)))
    desired = read([Source("m", manifest.read_bytes())]).desired
    instance = Instance.of(roots).moved(desired)

    def answer(**given: str) -> Answer:
        async def ask() -> Answer:
            running = Running(None, asyncio.get_running_loop(), instance.host, instance.roots)
            planner = OwnThread(instance, running)
            controller = Controller(instance, planner, lambda: None, State(instance))
            return await Daemon(controller).plan(Wish(roots=given))

        return asyncio.run(ask())

    return answer


@pytest.mark.parametrize("directory", ["data", "mail"])
def test_a_daemon_answers_for_its_mail_under_both_names(asked, tmp_path, directory):
    answer = asked(**{"config-dir": f"{tmp_path}/config", "data-dir": f"{tmp_path}/{directory}"})

    assert answer.exit == Exit.DONE


@pytest.mark.parametrize("name", ["config-dir", "data-dir", "runtime-dir", "manifest"])
def test_a_wish_for_another_instance_is_refused(asked, name):
    with pytest.raises(FrameError) as refused:
        asked(**{name: "/somewhere/else"})

    assert refused.value.code is Code.ECONFLICT
