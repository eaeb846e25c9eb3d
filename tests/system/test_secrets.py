"""Keys and certificates change on disk while the daemon runs."""

import re
import signal
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from aimx.doors.socket.client import Err, Ok


def pair_of_files(hostname: str) -> tuple[bytes, bytes]:
    """A certificate that this host signed for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, hostname)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), private


def install(instance, hostname: str) -> bytes:
    """Put a certificate in its place; gives it."""
    directory = instance.base / "certificate"
    directory.mkdir(exist_ok=True)
    for name, content in zip(("cert.pem", "key.pem"), pair_of_files(hostname), strict=True):
        (directory / name).write_bytes(content)
    return (directory / "cert.pem").read_bytes()


@pytest.fixture(scope="module")
def shared(make_for_all):
    instance = make_for_all()
    instance.rehearse()
    directory = instance.base / "certificate"
    files = f'cert = "{directory}/cert.pem"\nkey = "{directory}/key.pem"'
    install(instance, "first.example.com")
    instance.declare("info@example.com", rest=f'[tls]\nmode = "files"\n{files}')
    instance.serve()
    return instance


@pytest.fixture
def served(shared, until):
    """What another test did last may still be looked at."""
    until(lambda: shared.is_at_rest, "the daemon to be at rest")
    return shared


def shown(instance) -> bytes:
    """The certificate that a client is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with instance.session() as session:
        session.starttls(context=context)
        der = session.sock.getpeercert(binary_form=True)
    return ssl.DER_cert_to_PEM_cert(der).encode()


def sent(instance) -> Ok | Err:
    content = b"From: info\nTo: a@example.org\nSubject: hello\n\nHello.\n"
    return instance.ask("SEND", {"Content-Length": str(len(content))}, content)


def test_a_certificate_that_is_renewed_is_shown_without_a_restart(served, until):
    processes = served.processes()
    with served.session() as open_before:
        renewed = install(served, "second.example.com")
        served.daemon.send_signal(signal.SIGHUP)

        until(lambda: shown(served) == renewed, "the new certificate to be shown")

        assert open_before.noop()[0] == 250
    assert served.processes() == processes


def test_a_domain_that_lost_its_key_receives_and_sends_again_once_it_is_back(served, until):
    key = served.base / "config" / "dkim" / "example.com" / "private.key"
    content = key.read_bytes()
    assert isinstance(sent(served), Ok)

    key.unlink()
    served.daemon.send_signal(signal.SIGHUP)
    until(lambda: served.has("Ready", "False"), "the loss to be noticed")

    refused = sent(served)
    assert isinstance(refused, Err)
    assert refused.code == "SIGN"
    assert served.accepts("info@example.com")
    assert not key.exists()
    assert served.has("Converged", "False")

    key.write_bytes(content)
    key.chmod(0o600)
    served.daemon.send_signal(signal.SIGHUP)
    until(lambda: served.has("Ready", "True"), "the key to be noticed")

    assert isinstance(sent(served), Ok)


def test_a_domain_that_asks_for_a_second_signature_gets_it_without_a_restart(served, until):
    drop = served.base.with_suffix(".drop")
    before, manifest = set(drop.iterdir()), served.manifest.read_text()
    generation = served.status()["engine_generation"]
    assert isinstance(sent(served), Ok)
    asked = 'dkim = { algorithms = ["rsa-sha256", "ed25519-sha256"] }\n'

    served.write(f'{manifest}\n[domain."example.com"]\n{asked}')
    until(lambda: served.status()["engine_generation"] > generation, "the second key")
    assert isinstance(sent(served), Ok)

    letters = sorted(set(drop.iterdir()) - before, key=lambda path: path.name)
    algorithms = [re.findall(rb"; a=([a-z0-9-]+);", path.read_bytes()) for path in letters]
    assert algorithms == [[b"rsa-sha256"], [b"rsa-sha256", b"ed25519-sha256"]]
    served.write(manifest)


def test_a_daemon_starts_without_the_key_of_its_default_domain_and_says_so(served, until):
    key = served.base / "config" / "dkim" / "example.com" / "private.key"
    content = key.read_bytes()
    served.stop()
    key.unlink()

    served.serve()

    assert served.condition("Ready")["reason"] == "NoKey"
    assert served.accepts("info@example.com")
    assert "the default domain has no DKIM key" in served.log

    key.write_bytes(content)
    key.chmod(0o600)
    served.daemon.send_signal(signal.SIGHUP)
    until(lambda: isinstance(sent(served), Ok), "mail to be sent again")
