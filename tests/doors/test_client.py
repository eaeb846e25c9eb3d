import socket

import pytest

from aimx.doors.socket.client import Err, Ok, ReplyError, call, parse


@pytest.mark.parametrize(
    ("reply", "read"),
    [
        pytest.param(b"AIMX/1 OK\n", Ok(), id="done"),
        pytest.param(b"AIMX/1 OK <1@a.com>\n", Ok("<1@a.com>"), id="detail"),
        pytest.param(
            b'AIMX/1 OK\nContent-Length: 7\n\n{"a":1}', Ok(document={"a": 1}), id="document"
        ),
        pytest.param(
            b"AIMX/1 ERR EACCES not for you\nCode: EACCES\n\n",
            Err("EACCES", "not for you"),
            id="refused",
        ),
    ],
)
def test_a_reply_is_read(reply, read):
    assert parse(reply) == read


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        pytest.param(b"", "the daemon hung up without a reply", id="nothing"),
        pytest.param(
            b'AIMX/1 OK\nContent-Length: 500\n\n{"exit": 0, "out',
            "the daemon hung up in the middle of its reply",
            id="cut",
        ),
        pytest.param(b"HTTP/1.1 200 OK\n", "not an AIMX/1 reply", id="another protocol"),
        pytest.param(b"AIMX/1 OKAY\n", "not an AIMX/1 reply", id="another word"),
    ],
)
def test_what_is_no_reply_is_told_in_a_sentence(reply, said):
    with pytest.raises(ReplyError) as told:
        parse(reply)

    assert str(told.value) == said


def test_a_daemon_that_hangs_is_waited_for_no_longer_than_said(tmp_path):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(path)
        hung.listen()

        with pytest.raises(ReplyError) as told:
            call(path, "STATUS", {}, seconds=0.1)

    assert str(told.value) == "the daemon does not answer"
