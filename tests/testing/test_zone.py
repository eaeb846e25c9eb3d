import asyncio

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from aimx.testing.zone import Zone, serve, serve_in_thread

TABLE = {
    "example.com": {
        "A": ["192.0.2.1", "192.0.2.2"],
        "MX": ["10 mx.example.com", "20 mx.example.net"],
        "TXT": "v=spf1 mx -all",
        "ttl": 60,
    },
    "null.example": {"MX": "0 ."},
    "www.example.com": {"CNAME": "Example.com"},
    "a.b.example.com": {"AAAA": "2001:db8::1"},
    "1.2.0.192.in-addr.arpa": {"PTR": "example.com"},
    "broken.example": {"fails": "SERVFAIL"},
    "silent.example": {"silent": True},
    "long.example": {"truncated": True, "TXT": "short"},
    "longer.example": {"TXT": "x" * 3000},
}


def told(name: str, record: str) -> list[str]:
    reply = Zone(TABLE).reply(dns.message.make_query(name, record), datagram=False)
    assert reply is not None
    return sorted(f"{rrset.ttl} {r.to_text()}" for rrset in reply.answer for r in rrset)


def code(name: str, record: str = "A") -> str:
    reply = Zone(TABLE).reply(dns.message.make_query(name, record), datagram=False)
    assert reply is not None
    return dns.rcode.to_text(reply.rcode())


@pytest.mark.parametrize(
    ("name", "record", "answer"),
    [
        pytest.param("example.com", "A", ["60 192.0.2.1", "60 192.0.2.2"], id="A"),
        pytest.param(
            "EXAMPLE.com", "MX", ["60 10 mx.example.com.", "60 20 mx.example.net."], id="MX"
        ),
        pytest.param("null.example", "MX", ["300 0 ."], id="null MX"),
        pytest.param("example.com", "TXT", ['60 "v=spf1 mx -all"'], id="TXT"),
        pytest.param("example.com", "AAAA", [], id="nothing of that kind"),
        pytest.param("a.b.example.com", "AAAA", ["300 2001:db8::1"], id="AAAA"),
        pytest.param("1.2.0.192.in-addr.arpa", "PTR", ["300 example.com."], id="PTR"),
        pytest.param(
            "www.example.com",
            "TXT",
            ["300 Example.com.", '60 "v=spf1 mx -all"'],
            id="a CNAME is followed",
        ),
    ],
)
def test_a_zone_tells_what_its_table_says(name, record, answer):
    assert told(name, record) == answer


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        pytest.param("example.com", "NOERROR", id="a name of the table"),
        pytest.param("b.example.com", "NOERROR", id="a name above one of the table"),
        pytest.param("c.example.com", "NXDOMAIN", id="no such name"),
        pytest.param("broken.example", "SERVFAIL", id="scripted"),
    ],
)
def test_only_a_name_that_is_nowhere_does_not_exist(name, answer):
    assert code(name) == answer


def test_a_silent_name_gets_no_reply():
    query = dns.message.make_query("silent.example", "A")

    assert Zone(TABLE).reply(query, datagram=True) is None


@pytest.mark.parametrize(
    ("table", "text"),
    [
        pytest.param({"a.example": {"SPF": "x"}}, "a.example: SPF is neither", id="unknown key"),
        pytest.param({"a.example": {"fails": "no"}}, "no is no response code", id="no such code"),
        pytest.param({"a.example": {"A": "::1"}}, "A .* cannot be a record", id="wrong value"),
    ],
)
def test_a_table_that_says_something_else_is_refused(table, text):
    with pytest.raises(ValueError, match=text):
        Zone(table)


@pytest.mark.parametrize("name", ["long.example", "longer.example"])
def test_what_does_not_fit_into_a_datagram_is_had_over_tcp(name):
    query = dns.message.make_query(name, "TXT", use_edns=0, payload=1232)

    with serve_in_thread(Zone(TABLE)) as resolver:
        address, port = resolver.split(":")
        cut = dns.query.udp(query, address, port=int(port), timeout=5)
        whole = dns.query.tcp(query, address, port=int(port), timeout=5)

    assert cut.flags & dns.flags.TC
    assert len(whole.answer) == 1


def test_a_served_zone_leaves_its_port():
    async def twice() -> None:
        async with serve(Zone(TABLE)):
            pass
        async with serve(Zone(TABLE)):
            pass

    asyncio.run(twice())


def test_a_datagram_that_is_no_question_is_ignored():
    async def ask() -> str:
        async with serve(Zone(TABLE)) as resolver:
            address, port = resolver.split(":")
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=(address, int(port))
            )
            transport.sendto(b"hello")
            transport.close()
            _, writer = await asyncio.open_connection(address, int(port))
            writer.close()
            await writer.wait_closed()
            return "still here"

    assert asyncio.run(ask()) == "still here"


def test_a_client_that_stays_does_not_keep_the_server():
    query = dns.message.make_query("example.com", "MX").to_wire()

    async def work() -> tuple[bytes, bytes]:
        async with serve(Zone(TABLE)) as resolver:
            address, port = resolver.split(":")
            reader, writer = await asyncio.open_connection(address, int(port))
            writer.write(len(query).to_bytes(2) + query)
            answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        end = await reader.read()
        writer.close()
        return answer[:2], end

    assert asyncio.run(work()) == (query[:2], b"")
