import os

import pytest

from aimx.processes.secret import secret
from desired.relay import Place, SecretReference


def test_a_secret_is_what_stands_in_its_file_without_the_line_end(tmp_path):
    path = tmp_path / "secret"
    path.write_text("s3 cret\n")

    assert secret(SecretReference(Place.FILE, str(path))) == "s3 cret"


def test_a_secret_may_be_in_the_environment(monkeypatch):
    monkeypatch.setenv("RELAY_PASSWORD", "s3cret")

    assert secret(SecretReference(Place.VARIABLE, "RELAY_PASSWORD")) == "s3cret"


@pytest.mark.parametrize("what", ["nothing", "a directory", "a pipe", "an empty file", "no text"])
def test_where_none_can_be_read_there_is_none_and_nobody_waits(tmp_path, what):
    path = tmp_path / "secret"
    match what:
        case "a directory":
            path.mkdir()
        case "a pipe":
            os.mkfifo(path)
        case "an empty file":
            path.touch()
        case "no text":
            path.write_bytes(b"\xff\xfe")
        case _:
            pass

    assert secret(SecretReference(Place.FILE, str(path))) == ""


def test_no_reference_is_no_secret():
    assert secret(None) == ""
