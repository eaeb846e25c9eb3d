"""What a stranger sends, and what an operator mistypes, breaks nothing."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

LIMITS = "max_message_size = 3_000_000"
LARGEST = 3_000_000


@pytest.fixture(scope="module")
def served(make_for_all):
    instance = make_for_all()
    instance.declare("info@example.com", smtp=LIMITS)
    instance.serve()
    return instance


# From the network.


class Stranger:
    """Speaks in bytes, and hears replies."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.lines = connection.makefile("rb")

    def reply(self) -> bytes:
        """The last line of the next reply; empty where nobody says anything any more."""
        line = self.lines.readline()
        while line[3:4] == b"-":
            line = self.lines.readline()
        return line

    def ask(self, line: bytes) -> bytes:
        self.connection.sendall(line + b"\r\n")
        return self.reply()

    def begin(self) -> None:
        """Up to the 354."""
        for line in (b"MAIL FROM:<a@example.org>", b"RCPT TO:<info@example.com>"):
            assert self.ask(line).startswith(b"250")
        assert self.ask(b"DATA").startswith(b"354")


@contextmanager
def stranger(instance) -> Iterator[Stranger]:
    with socket.create_connection(("127.0.0.1", instance.port), 60) as connection:
        client = Stranger(connection)
        with client.lines:
            yield introduced(client)


def introduced(client: Stranger) -> Stranger:
    assert client.reply().startswith(b"220")
    assert client.ask(b"EHLO mail.example.org").startswith(b"250")
    return client


def mail(instance) -> dict[str, bytes]:
    return {
        str(path.relative_to(instance.data)): path.read_bytes()
        for path in instance.mailbox("info@example.com").rglob("*")
        if path.is_file()
    }


HEAD = b"From: a@example.org\r\nSubject: bad\r\n\r\n"


@pytest.mark.parametrize(
    ("content", "reply"),
    [
        pytest.param(HEAD + b"one\ntwo\r\n.\r\n", b"521 5.5.2", id="bare-line-feed"),
        pytest.param(HEAD + b"one\rtwo\r\n.\r\n", b"521 5.5.2", id="bare-carriage-return"),
        pytest.param(HEAD + b"one\0two\r\n.\r\n", b"521 5.5.2", id="NUL"),
        pytest.param(HEAD + b"one\n.\r\n", b"521 5.5.2", id="end-after-a-bare-line-feed"),
        pytest.param(HEAD + b"x" * 70_000 + b"\r\n.\r\n", b"550 5.6.0", id="endless-line"),
        pytest.param(HEAD + b"line\r\n" * 600_000 + b".\r\n", b"552 5.3.4", id="too-large"),
    ],
)
def test_content_that_is_no_mail_is_refused_and_not_kept(served, content, reply):
    before = mail(served)
    with stranger(served) as client:
        client.begin()
        client.connection.sendall(content)

        assert client.reply().startswith(reply)

        if reply.startswith(b"521"):
            assert client.reply() == b""
    assert (mail(served), served.leftovers()) == (before, [])


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        pytest.param(b"NOOP\nNOOP", b"521 5.5.2", id="bare-line-feed"),
        pytest.param(b"NOOP\rNOOP", b"521 5.5.2", id="bare-carriage-return"),
        pytest.param(b"NOOP\0", b"521 5.5.2", id="NUL"),
        pytest.param(b"NOOP " + b"x" * 5000, b"500 5.5.2", id="endless"),
        pytest.param(b"GET / HTTP/1.1", b"521 5.5.1", id="http"),
        pytest.param(b"\xff\xfe", b"500", id="no-text"),
        pytest.param(b"RCPT TO:<nobody@example.com>", b"550 5.1.1", id="unknown-recipient"),
        pytest.param(b"RCPT TO:<a@elsewhere.example>", b"550 5.7.1", id="foreign-domain"),
        pytest.param(b"RCPT TO:<info@example.com", b"501 5.5.4", id="half-an-address"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(served, command, reply):
    with stranger(served) as client:
        assert client.ask(b"MAIL FROM:<a@example.org>").startswith(b"250")

        assert client.ask(command).startswith(reply)

    assert served.accepts("info@example.com")


def test_a_message_that_says_it_is_too_large_is_refused_before_it_comes(served):
    with stranger(served) as client:
        reply = client.ask(b"MAIL FROM:<a@example.org> SIZE=%d" % (LARGEST + 1))

    assert reply.startswith(b"552 5.3.4")


def test_what_is_pipelined_behind_a_bare_line_feed_is_never_read(served):
    before = mail(served)
    smuggled = HEAD + b"one\n.\nMAIL FROM:<a@example.org>\r\nRCPT TO:<info@example.com>\r\nDATA\r\n"
    with stranger(served) as client:
        client.begin()
        client.connection.sendall(smuggled + HEAD + b"smuggled\r\n.\r\nQUIT\r\n")

        assert client.reply().startswith(b"521")
        assert client.reply() == b""

    assert mail(served) == before


def test_ten_thousand_nested_parts_are_kept_and_stop_nobody(served):
    opening = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (depth, depth)
        for depth in range(10_000)
    )
    content = b"From: a@example.org\r\nSubject: nested\r\nMIME-Version: 1.0\r\n" + opening

    code = served.deliver(
        content + b"Content-Type: text/plain\r\n\r\nDeep.\r\n", "info@example.com"
    )

    assert code == 250
    assert served.letter("info@example.com", "nested")
    assert served.accepts("info@example.com")


def test_eight_bit_text_and_files_arrive_as_they_were_sent(served):
    octets = bytes(range(0x80, 0x100)) * 3
    content = (
        b"From: a@example.org\r\nSubject: eight-bit\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\n" + "Grüße, façade, 新茶\r\n".encode() + b"--b\r\n"
        b'Content-Type: application/octet-stream; name="octets"\r\n'
        b"Content-Disposition: attachment\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n\r\n" + octets + b"\r\n--b--\r\n"
    )

    assert served.deliver(content, "info@example.com") == 250

    letter = served.letter("info@example.com", "eight-bit")
    assert "Grüße, façade, 新茶" in letter.body
    assert (letter.path.parent / "octets").read_bytes() == octets


@pytest.mark.parametrize("size", [100, 2_000_000], ids=["in-memory", "in-the-spool"])
def test_a_connection_that_is_cut_within_a_message_leaves_nothing(served, size):
    before = mail(served)
    with stranger(served) as client:
        client.begin()
        client.connection.sendall(HEAD + b"0123456789abcdef\r\n" * (size // 18))

    assert served.accepts("info@example.com")
    assert (mail(served), served.leftovers()) == (before, [])


# From the operator.

BAD = {
    "unknown-key": ('domains = ["example.com"]\ndomians = []\n', ["domians"]),
    "wrong-type": ('domains = ["example.com"]\nenable_ipv6 = "yes"\n', ["enable_ipv6"]),
    "domain-twice": ('domains = ["example.com", "EXAMPLE.com"]\n', ["EXAMPLE.com"]),
    "undeclared-domain": (
        'domains = ["example.com"]\n[mailboxes."a@other.example"]\nowner = "nobody"\n',
        ["other.example"],
    ),
    "domain-and-domains": ('domain = "example.com"\ndomains = ["example.com"]\n', ["domains"]),
    "broken": ('domains = ["example.com"\n', [":"]),
    "empty": ("", ["domain"]),
    "several-at-once": (
        'domains = ["example.com", "-.example"]\nnonsense = 1\n[smtp]\nmax_recipients = -1\n',
        ["-.example", "nonsense", "max_recipients"],
    ),
}
bad = pytest.mark.parametrize(("text", "named"), BAD.values(), ids=BAD)


def tree(base: Path) -> dict[str, tuple[object, ...]]:
    """All that is there, but for what the daemon logs."""
    found: dict[str, tuple[object, ...]] = {}
    for path in base.rglob("*"):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (status.st_mode, status.st_uid, status.st_ino, content)
    return found


@bad
def test_an_invalid_manifest_is_not_applied(instance, text, named):
    instance.write(text)
    before = tree(instance.base)

    done = instance.aimx("apply", "--yes")

    assert done.returncode == 8
    assert [word for word in named if word not in done.stderr] == []
    assert str(instance.manifest) in done.stderr
    assert tree(instance.base) == before


@pytest.mark.parametrize("command", [("validate",), ("plan",), ("apply", "--yes")], ids=" ".join)
def test_every_command_tells_all_that_is_wrong_at_once(instance, command):
    instance.declare("info@example.com")
    instance.apply()
    text, named = BAD["several-at-once"]
    instance.write(text)
    before = tree(instance.base)

    done = instance.aimx(*command)

    assert (done.returncode, done.stdout) == (8, "")
    assert [word for word in named if word not in done.stderr] == []
    assert "Traceback" not in done.stderr
    assert tree(instance.base) == before


@pytest.mark.parametrize("command", [("validate",), ("plan",), ("apply", "--yes")], ids=" ".join)
def test_a_directory_in_the_manifests_place_is_named_as_one(instance, command):
    instance.manifest.mkdir()

    done = instance.aimx(*command)

    assert done.returncode == 8
    assert f"{instance.manifest}: error: it is a directory" in done.stderr


def test_a_manifest_that_may_not_be_read_is_named(instance):
    instance.declare("info@example.com")
    instance.manifest.chmod(0)
    with suppress(PermissionError):
        instance.manifest.read_bytes()
        pytest.skip("this user may read everything")

    done = instance.aimx("validate")

    assert done.returncode == 8
    assert "permission denied" in done.stderr


def keeps_the_last_good_generation(served, until) -> None:
    generation = served.status()["generation"]
    until(lambda: served.has("ManifestValid", "False"), "the invalid manifest to be noticed")
    assert served.condition("ManifestValid")["reason"] == "LastGoodGenerationKept"
    assert served.status()["generation"] == served.status()["engine_generation"] == generation
    assert served.accepts("info@example.com")
    served.declare("info@example.com", smtp=LIMITS)
    until(lambda: served.has("ManifestValid", "True"), "the repaired manifest to be noticed")
    until(lambda: served.has("Converged", "True"), "convergence")


@bad
def test_a_daemon_goes_on_without_an_invalid_manifest(served, until, text, named):
    served.write(text)

    until(lambda: served.has("ManifestValid", "False"), "the invalid manifest to be noticed")

    message = served.condition("ManifestValid")["message"]
    assert [word for word in named if word not in message] == []
    keeps_the_last_good_generation(served, until)


def test_a_daemon_goes_on_without_any_manifest(served, until):
    served.manifest.unlink()

    keeps_the_last_good_generation(served, until)


def test_a_daemon_goes_on_with_a_directory_in_the_manifests_place(served, until):
    served.manifest.unlink()
    served.manifest.mkdir()
    until(lambda: served.has("ManifestValid", "False"), "the directory to be noticed")

    served.manifest.rmdir()

    keeps_the_last_good_generation(served, until)


def test_status_says_what_is_wrong_with_the_manifest(served, until):
    served.write(BAD["unknown-key"][0])
    until(lambda: served.has("ManifestValid", "False"), "the invalid manifest to be noticed")

    done = served.aimx("status")

    assert done.returncode == 0
    assert "ManifestValid   False" in done.stdout
    assert "domians" in done.stdout
    keeps_the_last_good_generation(served, until)
