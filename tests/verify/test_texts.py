import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.verify import answers, texts
from aimx.verify.resolver import NoAnswer, NoRecord, Records

NAME = "s._domainkey.example.com."


def reply(record: str = "TXT") -> dns.message.Message:
    return dns.message.make_response(dns.message.make_query(NAME, record))


def with_texts(*found: list[bytes], ttl: int = 300) -> dns.message.Message:
    message = reply()
    quoted = [
        " ".join('"' + "".join(f"\\{octet:03}" for octet in string) + '"' for string in strings)
        for strings in found
    ]
    message.answer.append(dns.rrset.from_text_list(NAME, ttl, "IN", "TXT", quoted))
    return message


strings = st.lists(st.binary(max_size=255), min_size=1, max_size=4)


@given(st.lists(strings, min_size=1, max_size=4), st.integers(0, (1 << 32) - 1))
def test_texts_are_read_as_dnspython_reads_them(found, ttl):
    wire = with_texts(*found).to_wire(max_size=65535)
    # dnspython writes no such lifetime.
    wire = wire.replace((300).to_bytes(4), ttl.to_bytes(4))

    (rrset,) = dns.message.from_wire(wire).answer

    assert texts.read(wire) == Records(tuple(b"".join(r.strings) for r in rrset), rrset.ttl)


def test_a_text_that_comes_twice_is_one():
    wire = with_texts([b"v=DMARC1"]).to_wire()
    twice = wire[:7] + b"\x02" + wire[8:] + wire[-21:]

    assert len(dns.message.from_wire(twice).answer[0]) == 1
    assert texts.read(twice) == Records((b"v=DMARC1",), 300)


def changed(**changes: object) -> dns.message.Message:
    message = with_texts([b"text"])
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def failed() -> dns.message.Message:
    message = with_texts([b"text"])
    message.set_rcode(dns.rcode.SERVFAIL)
    return message


def led_on() -> dns.message.Message:
    message = reply()
    message.answer.append(dns.rrset.from_text(NAME, 60, "IN", "CNAME", "far.example.com."))
    message.answer.append(dns.rrset.from_text("far.example.com.", 60, "IN", "TXT", '"far"'))
    return message


def of_another() -> dns.message.Message:
    message = reply()
    message.answer.append(dns.rrset.from_text("example.com.", 60, "IN", "TXT", '"above"'))
    return message


def addressed() -> dns.message.Message:
    message = reply("A")
    message.answer.append(dns.rrset.from_text(NAME, 60, "IN", "A", "192.0.2.1"))
    return message


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        pytest.param(led_on(), Records((b"far",), 60), id="a CNAME"),
        pytest.param(of_another(), NoRecord(exists=True, ttl=300), id="a text of another name"),
        pytest.param(addressed(), Records(("192.0.2.1",), 60), id="an address"),
        pytest.param(reply(), NoRecord(exists=True, ttl=300), id="nothing"),
        pytest.param(failed(), NoAnswer("SERVFAIL"), id="a failure"),
    ],
)
def test_every_other_message_is_dnspythons_to_read(message, answer):
    wire = message.to_wire()

    assert texts.read(wire) is None
    assert type(answers.read(wire)) is type(answer)
    assert isinstance(answer, NoRecord) or answers.read(wire) == answer


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(0, id="a question"),
        pytest.param(dns.flags.QR | dns.flags.TC, id="only its beginning"),
    ],
)
def test_what_is_not_a_whole_answer_is_not_read(flags):
    assert texts.read(changed(flags=flags).to_wire()) is None


def as_dnspython_reads_it(wire: bytes) -> tuple[set[bytes], int] | None:
    try:
        message = dns.message.from_wire(wire)
    except Exception:  # noqa: BLE001 - it may raise what it likes
        return None
    (rrset,) = message.answer
    return {b"".join(record.strings) for record in rrset}, rrset.ttl


WIRE = with_texts([b"v=spf1 ", b"-all"], [b"x" * 200]).to_wire()


@given(st.integers(0, len(WIRE)), st.binary(max_size=3), st.integers(0, 3))
def test_no_damage_makes_it_raise_or_read_something_else(at, other, dropped):
    wire = WIRE[:at] + other + WIRE[at + dropped :]

    found = texts.read(wire)

    read = None if found is None else as_dnspython_reads_it(wire)
    assert read is None or (set(found.texts), found.ttl) == read
