import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from reconcilers.change import Action, Field
from reconcilers.host.host import Access, Nature

ONE = 'domains = ["a.com"]\n'
RENAMED = ONE + '[smtp]\nhostname = "mx.a.com"\n'


def certificate(machine):
    return x509.load_pem_x509_certificate(machine.host.read(machine.roots.tls / "cert.pem"))


def test_a_self_signed_certificate_names_the_host_and_has_its_key(machine):
    machine.apply(ONE)

    key = load_pem_private_key(machine.host.read(machine.roots.tls / "key.pem"), None)
    names = certificate(machine).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["a.com"]
    assert certificate(machine).public_key() == key.public_key()
    modes = [machine.host.look(machine.roots.tls / n).mode for n in ("cert.pem", "key.pem")]
    assert modes == [0o644, 0o600]


def test_another_host_name_gets_another_certificate_and_the_old_one_is_kept(machine):
    machine.apply(ONE)
    before = machine.host.read(machine.roots.tls / "key.pem")

    change = machine.change(RENAMED, "certificate")
    machine.apply(RENAMED)

    assert change.action is Action.UPDATE
    assert change.fields == (Field("host", "", "mx.a.com"),)
    assert machine.host.read(machine.roots.tls / "key.pem.1") == before
    assert machine.host.look(machine.roots.tls / "key.pem.1").mode == 0o600
    assert machine.plan(RENAMED).is_empty


def test_one_that_was_written_by_half_is_issued_again(machine):
    machine.apply(ONE)
    machine.host.replace(
        machine.roots.tls / "key.pem", machine.host.new_private_key(), Access(0o600, 0, 0)
    )

    change = machine.change(ONE, "certificate")
    machine.apply(ONE)

    assert change.why == "it is not for a.com, or its key is another's"
    assert machine.plan(ONE).is_empty


def test_a_mode_that_drifted_is_repaired_without_a_new_key(machine):
    machine.apply(ONE)
    before = machine.host.tree()[machine.roots.tls / "key.pem"]
    machine.host.set_access(machine.roots.tls / "key.pem", Access(0o644, 0, 0))

    machine.apply(ONE)

    assert machine.host.tree()[machine.roots.tls / "key.pem"] == before


def test_a_link_in_its_place_is_blocked(machine):
    machine.host.plant_other(machine.roots.tls / "cert.pem", Nature.SYMLINK)

    assert machine.change(ONE, "certificate").blocked.code == "symlink-in-the-way"


GIVEN = ONE + '[tls]\nmode = "files"\ncert = "/etc/ssl/mail.pem"\nkey = "/etc/ssl/mail.key"\n'


def test_given_files_that_are_not_there_are_told(machine):
    machine.host.plant_file(machine.roots.tls.parent.parent / "ssl" / "mail.pem", b"certificate")

    change = machine.change(GIVEN, "certificate")

    assert change.blocked.code == "certificate-missing"
    assert change.blocked.reason == "/etc/ssl/mail.key cannot be found"


@pytest.mark.parametrize(
    "text", [pytest.param(GIVEN, id="given"), pytest.param(ONE + '[tls]\nmode = "off"\n', id="off")]
)
def test_where_it_is_not_ours_none_is_issued(machine, text):
    for name in ("mail.pem", "mail.key"):
        machine.host.plant_file(machine.roots.tls.parent.parent / "ssl" / name, b"given")

    machine.apply(text)

    assert machine.host.names(machine.roots.tls) == ()
    assert machine.plan(text).is_empty
