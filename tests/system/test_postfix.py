"""Mail that goes to and fro between us and a Postfix, as there are many on the internet."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from pathlib import Path
from tempfile import TemporaryDirectory

import dkim
import pytest

from aimx.doors.socket.client import Ok
from aimx.testing.ports import ReservedPort
from aimx.testing.postfix import is_there, postfix
from aimx.testing.zone import Zone, serve_in_thread

SENDMAIL = shutil.which("sendmail", path="/usr/sbin:/usr/lib")
OPENDKIM = shutil.which("opendkim", path="/usr/sbin:/usr/bin")
ZONE = {"peer.example": {"MX": "10 mx.peer.example"}, "mx.peer.example": {"A": "127.0.0.1"}}
AGENT = "agent@example.com"
TEXT = "Grüße\n\n.\n..\n.a dot\nFrom the start\n\n" + "ein langer Absatz " * 50 + "\n"

pytestmark = pytest.mark.skipif(
    not is_there() or not SENDMAIL, reason="needs root and a Postfix to start"
)


@dataclass
class Peer:
    """A Postfix: what is for peer.example stays in its Maildir, all else goes to us."""

    root: Path
    port: int

    @property
    def log(self) -> str:
        return (self.root / "log").read_text()

    def arrived(self) -> list[bytes]:
        return [path.read_bytes() for path in (self.root / "mail").glob("box/new/*")]

    def send(self, content: bytes, *recipients: str, sender: str = "ann@peer.example") -> None:
        command = [str(SENDMAIL), "-i", "-C", str(self.root / "etc"), "-f", sender, *recipients]
        subprocess.run(command, input=content, check=True, timeout=60)


def settings(certificate: Path, ours: int) -> dict[str, str]:
    return {
        "myhostname": "mx.peer.example",
        "virtual_mailbox_domains": "peer.example",
        "virtual_mailbox_maps": "static:box/",
        "relayhost": f"[127.0.0.1]:{ours}",
        "smtp_tls_security_level": "encrypt",
        "smtpd_tls_security_level": "may",
        "smtpd_tls_received_header": "yes",
        "smtpd_tls_cert_file": f"{certificate}/cert.pem",
        "smtpd_tls_key_file": f"{certificate}/key.pem",
    }


@pytest.fixture(scope="module")
def ends(make_for_all) -> Iterator[tuple[object, Peer]]:
    """An instance of ours, and the Postfix that it knows as peer.example."""
    with ExitStack() as held:
        instance = make_for_all("beside-postfix")
        instance.resolver = held.enter_context(serve_in_thread(Zone(ZONE)))
        instance.declare(AGENT)
        instance.apply()
        root = Path(held.enter_context(TemporaryDirectory(prefix="aimx-")))
        root.chmod(0o755)
        certificate = instance.base / "config" / "tls"
        port = held.enter_context(ReservedPort()).number
        peer = Peer(root / "postfix", port)
        told = settings(certificate, instance.port)
        held.enter_context(postfix(peer.root, told, {port: ()}))
        instance.declare(AGENT, rest=f"[outbound]\nport = {peer.port}\n")
        instance.serve()
        yield instance, peer


def subjects(instance) -> list[str]:
    return [letter.fields["subject"] for letter in instance.letters(AGENT)]


def test_what_postfix_brings_is_stored_as_its_author_wrote_it(ends, until):
    instance, peer = ends
    message = EmailMessage(policy=SMTP.clone(utf8=True))
    message["From"] = "Jürgen <jürgen@peer.example>"
    message["To"] = AGENT
    message["Subject"] = "Übersicht"
    message.set_content(TEXT, cte="8bit")
    message.add_attachment(bytes(range(256)) * 100, "image", "png", filename="für dich.png")

    peer.send(message.as_bytes(), AGENT, sender="jürgen@peer.example")

    until(lambda: "Übersicht" in subjects(instance), "the message to arrive")
    letter = instance.letter(AGENT, "Übersicht")
    assert letter.body.strip("\n") == TEXT.strip("\n")
    assert letter.fields["envelope_from"] == "jürgen@peer.example"
    assert (letter.path.parent / "für dich.png").read_bytes() == bytes(range(256)) * 100
    until(lambda: "status=sent (250 2.0.0 OK message accepted" in peer.log, "Postfix to be told")
    until(lambda: '"tls": true' in instance.log, "the line in the log")


def test_what_we_refuse_goes_back_with_our_words(ends, until):
    _, peer = ends

    peer.send(b"Subject: to nobody\n\nhello\n", "nobody@example.com", sender="bounced@peer.example")

    bounce = until(
        lambda: [mail for mail in peer.arrived() if b"Undelivered Mail" in mail], "a bounce"
    )[0]
    assert b"Status: 5.1.1" in bounce
    assert b"User unknown" in bounce


def test_what_we_send_arrives_whole_signed_and_encrypted(ends, until):
    instance, peer = ends
    message = EmailMessage(policy=SMTP)
    message["From"] = f"Agent <{AGENT}>"
    message["To"] = "Ännchen <ann@peer.example>"
    message["Bcc"] = "secret@peer.example"
    message["Subject"] = "Grüße " * 30
    message.set_content(TEXT)
    message.add_attachment(bytes(range(256)) * 100, "application", "pdf", filename="Ä 漢字.pdf")
    content = message.as_bytes()

    reply = instance.ask("SEND", {"Content-Length": str(len(content))}, content)

    assert isinstance(reply, Ok), reply
    both = until(
        lambda: (found := [m for m in peer.arrived() if b"DKIM-Sig" in m])[1:] and found, "both"
    )
    for copy in both:
        read = message_from_bytes(copy, policy=default)
        assert read["Subject"] == ("Grüße " * 30).strip()
        assert read["To"].addresses[0].display_name == "Ännchen"
        assert b"secret@" not in copy.partition(b"DKIM-Signature")[2]
        assert read.get_body(("plain",)).get_content().splitlines() == TEXT.splitlines()
        (attached,) = read.iter_attachments()
        assert attached.get_filename() == "Ä 漢字.pdf"
        assert attached.get_payload(decode=True) == bytes(range(256)) * 100
        assert "TLSv1" in read.get_all("Received")[0]
        assert max(map(len, copy.splitlines())) <= 998
        assert _vouching(copy, instance) == {"dkimpy", *(["OpenDKIM"] if OPENDKIM else [])}


def _vouching(copy: bytes, instance) -> set[str]:
    """Who finds that the signature still holds, by the key that is to be published."""
    pem = (instance.base / "config" / "dkim" / "example.com" / "public.key").read_text()
    key = "".join(line for line in pem.splitlines() if "--" not in line)
    record = f"v=DKIM1; k=rsa; p={key}"
    vouching = set()
    if dkim.verify(copy.replace(b"\n", b"\r\n"), dnsfunc=lambda *_, **__: record.encode()):
        vouching.add("dkimpy")
    if OPENDKIM and _satisfies_opendkim(copy, record):
        vouching.add("OpenDKIM")
    return vouching


def _satisfies_opendkim(copy: bytes, record: str) -> bool:
    with TemporaryDirectory(prefix="aimx-") as made:
        content, keys, settings = (Path(made) / name for name in ("content", "keys", "settings"))
        content.write_bytes(copy)
        keys.write_text(f"aimx._domainkey.example.com {record}\n")
        settings.write_text(f"Mode v\nTestPublicKeys {keys}\nSyslog no\n")
        command = [OPENDKIM or "", "-x", str(settings), "-t", str(content)]
        told = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    return "succeeded" in told.stdout + told.stderr
