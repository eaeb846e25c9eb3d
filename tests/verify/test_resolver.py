import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress

import dns.message
import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aimx.testing.zone import Zone, ZoneResolver, serve
from aimx.verify import exchange
from aimx.verify.caching import CachingResolver, ask_once
from aimx.verify.exchange import QUESTIONS, question
from aimx.verify.resolver import Answer, NoAnswer, NoRecord, Records, Resolver
from desired.names import InvalidNameError
from desired.quantities import Endpoint

TABLE = {
    "example.com": {
        "A": ["192.0.2.1", "192.0.2.2"],
        "AAAA": "2001:db8::1",
        "MX": "10 mx.example.com",
        "TXT": ["v=spf1 -all", "é" * 200],
        "ttl": 60,
    },
    "null.example": {"MX": "0 ."},
    "www.example.com": {"CNAME": "far.example.com"},
    "far.example.com": {"CNAME": "example.com"},
    "lost.example.com": {"CNAME": "nowhere.example.com"},
    "1.2.0.192.in-addr.arpa": {"PTR": "example.com"},
    "broken.example": {"fails": "SERVFAIL"},
    "refused.example": {"fails": "REFUSED"},
    "silent.example": {"silent": True},
    "long.example": {"truncated": True, "TXT": "short"},
    "longer.example": {"TXT": "x" * 3000},
}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def over_the_network(name: str, record: str) -> Answer:
    async def work() -> Answer:
        async with serve(Zone(TABLE)) as address:
            resolver = CachingResolver([address], timeout=2)
            try:
                return await resolver.lookup(name, record)
            finally:
                await resolver.close()

    return asyncio.run(work())


def in_memory(name: str, record: str) -> Answer:
    return asyncio.run(ZoneResolver(Zone(TABLE)).lookup(name, record))


@pytest.mark.parametrize("lookup", [over_the_network, in_memory])
@pytest.mark.parametrize(
    ("name", "record", "answer"),
    [
        pytest.param("example.com", "AAAA", Records(("2001:db8::1",), 60), id="AAAA"),
        pytest.param("Example.COM.", "MX", Records(((10, "mx.example.com"),), 60), id="MX"),
        pytest.param("null.example", "MX", Records(((0, "."),), 300), id="null MX"),
        pytest.param("1.2.0.192.in-addr.arpa", "PTR", Records(("example.com",), 300), id="PTR"),
        pytest.param("www.example.com", "AAAA", Records(("2001:db8::1",), 60), id="two CNAMEs"),
        pytest.param("lost.example.com", "A", NoRecord(exists=False, ttl=300), id="lost CNAME"),
        pytest.param("example.com", "PTR", NoRecord(exists=True, ttl=300), id="no such record"),
        pytest.param("nowhere.example", "A", NoRecord(exists=False, ttl=300), id="no such name"),
        pytest.param("long.example", "TXT", Records((b"short",), 300), id="truncated"),
        pytest.param("longer.example", "TXT", Records((b"x" * 3000,), 300), id="too long"),
    ],
)
def test_a_lookup_tells_what_the_dns_holds(lookup, name, record, answer):
    assert lookup(name, record) == answer


@pytest.mark.parametrize("lookup", [over_the_network, in_memory])
def test_the_strings_of_a_text_are_joined(lookup):
    found = lookup("example.com", "TXT")

    assert sorted(found.texts) == [b"v=spf1 -all", "é".encode() * 200]


@pytest.mark.parametrize("lookup", [over_the_network, in_memory])
@pytest.mark.parametrize("name", ["broken.example", "refused.example"])
def test_a_server_that_fails_is_not_a_name_without_records(lookup, name):
    assert isinstance(lookup(name, "TXT"), NoAnswer)


@pytest.mark.parametrize("lookup", [over_the_network, in_memory])
def test_what_could_not_be_looked_up_is_told_with_its_question(lookup):
    answer = lookup("broken.example", "TXT")

    assert answer.reason.startswith("TXT of broken.example: ")
    assert answer.reason.endswith("SERVFAIL")


@pytest.mark.parametrize("lookup", [over_the_network, in_memory])
@pytest.mark.parametrize("name", ["a..example", "x" * 64 + ".example", "\udcff.example"])
def test_a_name_that_cannot_be_asked_for_does_not_exist(lookup, name):
    found = lookup(name, "A")

    assert isinstance(found, NoRecord)
    assert not found.exists


def with_resolver(
    table: dict, work: Callable[[Resolver, Clock], Awaitable[object]], timeout: float = 2
) -> object:
    async def both() -> object:
        async with serve(Zone(table)) as address:
            clock = Clock()
            resolver = CachingResolver([address], timeout=timeout, clock=clock)
            try:
                return await work(resolver, clock)
            finally:
                await resolver.close()

    return asyncio.run(both())


def test_an_answer_is_kept_for_its_ttl_and_grows_old():
    table = {"example.com": {"A": "192.0.2.1", "ttl": 60}}

    async def work(resolver, clock):
        first = await resolver.lookup("example.com", "A")
        table["example.com"]["A"] = "192.0.2.9"
        clock.now += 40
        kept = await resolver.lookup("EXAMPLE.com", "A")
        clock.now += 21
        return first, kept, await resolver.lookup("example.com", "A")

    assert with_resolver(table, work) == (
        Records(("192.0.2.1",), 60),
        Records(("192.0.2.1",), 20),
        Records(("192.0.2.9",), 60),
    )


def test_that_there_is_nothing_is_kept_as_well():
    table = {"a.example.com": {"A": "192.0.2.1"}}

    async def work(resolver, clock):
        await resolver.lookup("a.example.com", "TXT")
        table["a.example.com"]["TXT"] = "new"
        kept = await resolver.lookup("a.example.com", "TXT")
        clock.now += 301
        return kept, await resolver.lookup("a.example.com", "TXT")

    assert with_resolver(table, work) == (NoRecord(exists=True, ttl=300), Records((b"new",), 300))


def test_that_nobody_could_say_is_soon_forgotten():
    table = {"example.com": {"fails": "SERVFAIL", "A": "192.0.2.1"}}

    async def work(resolver, clock):
        failed = await resolver.lookup("example.com", "A")
        del table["example.com"]["fails"]
        clock.now += 6
        return failed, await resolver.lookup("example.com", "A")

    failed, answered = with_resolver(table, work)

    assert isinstance(failed, NoAnswer)
    assert answered == Records(("192.0.2.1",), 300)


def test_many_who_wait_for_one_answer_ask_once():
    async def work() -> tuple[list[Answer], int]:
        asked = []

        class Slow(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport = transport

            def datagram_received(self, data, addr):
                asked.append(data)
                reply = Zone({"example.com": {"A": "192.0.2.1"}}).reply(
                    dns.message.from_wire(data), datagram=True
                )
                loop.call_soon(self.transport.sendto, reply.to_wire(), addr)

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Slow, local_addr=("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        resolver = CachingResolver([f"127.0.0.1:{port}"])
        answers = await asyncio.gather(*(resolver.lookup("example.com", "A") for _ in range(50)))
        await resolver.close()
        transport.close()
        return answers, len(asked)

    answers, asked = asyncio.run(work())

    assert asked == 1
    assert set(answers) == {Records(("192.0.2.1",), 300)}


@pytest.mark.parametrize("ttl", [0, 60])
def test_what_was_foreseen_is_not_asked_again(ttl):
    async def work() -> tuple[Answer, int]:
        asked = []

        class Recorder(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport = transport

            def datagram_received(self, data, addr):
                asked.append(data)
                zone = Zone({"example.com": {"A": "192.0.2.1", "ttl": ttl}})
                reply = zone.reply(dns.message.from_wire(data), datagram=True)
                self.transport.sendto(reply.to_wire(), addr)
                there.set()

        there = asyncio.Event()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Recorder, local_addr=("127.0.0.1", 0))
        resolver = CachingResolver([f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"])
        resolver.foresee("example.com", "A")
        resolver.foresee("Example.com.", "A")
        await there.wait()
        await resolver.lookup("example.com", "A")
        resolver.foresee("example.com", "A")
        answer = await resolver.lookup("example.com", "A")
        await resolver.close()
        transport.close()
        return answer, len(asked)

    answer, asked = asyncio.run(work())

    assert asked == 1
    assert answer.names == ("192.0.2.1",)
    assert answer.ttl <= max(ttl, 1)


def test_a_caller_who_gives_up_does_not_take_the_answer_from_the_others():
    table = {"example.com": {"A": "192.0.2.1"}}

    async def work(resolver, _clock):
        impatient = asyncio.create_task(resolver.lookup("example.com", "A"))
        patient = asyncio.create_task(resolver.lookup("example.com", "A"))
        await asyncio.sleep(0)
        impatient.cancel()
        return await patient

    assert with_resolver(table, work) == Records(("192.0.2.1",), 300)


def test_what_the_kernel_says_of_a_server_is_told_in_its_words():
    async def asked_of(server: str) -> Answer:
        resolver = CachingResolver([server])
        try:
            return await resolver.lookup("example.com", "MX")
        finally:
            await resolver.close()

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        held.connect(held.getsockname())  # It hears nobody but itself, and nobody else has it.
        server = f"127.0.0.1:{held.getsockname()[1]}"

        found = asyncio.run(asked_of(server))

    assert found == NoAnswer(f"MX of example.com: {server}: Connection refused")


def test_silence_is_no_answer():
    found = with_resolver(
        {"silent.example": {"silent": True}},
        lambda resolver, _: resolver.lookup("silent.example", "A"),
        timeout=0.1,
    )

    assert isinstance(found, NoAnswer)
    assert "did not answer in 0.05 s" in found.reason


def test_closing_gives_up_what_is_still_asked():
    async def work(resolver, _clock):
        waiting = asyncio.create_task(resolver.lookup("silent.example", "A"))
        await asyncio.sleep(0)
        await resolver.close()
        return await waiting

    outcome = with_resolver({"silent.example": {"silent": True}}, work, timeout=60)

    assert outcome == NoAnswer("the resolver was closed")


def test_another_server_is_asked_when_the_first_is_not_there():
    async def work() -> Answer:
        async with serve(Zone(TABLE)) as address:
            resolver = CachingResolver(["127.0.0.1:1", address], timeout=4)
            try:
                return await resolver.lookup("example.com", "AAAA")
            finally:
                await resolver.close()

    assert asyncio.run(work()) == Records(("2001:db8::1",), 60)


def forged(query: bytes, **changes: object) -> bytes:
    """An answer that somebody made who did not see the whole question."""
    message = dns.message.from_wire(query)
    name = changes.get("name", message.question[0].name.to_text())
    other = dns.message.make_query(str(name), "A", id=int(changes.get("id", message.id)))
    reply = Zone({str(name): {"A": "203.0.113.66"}}).reply(other, datagram=True)
    assert reply is not None
    return reply.to_wire()


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(lambda q: forged(q, id=(int.from_bytes(q[:2]) + 1) % 65536), id="another id"),
        pytest.param(lambda q: forged(q, name="other.example"), id="another question"),
        pytest.param(lambda q: q, id="a question"),
        pytest.param(lambda q: q[:2] + b"\x80", id="no message"),
    ],
)
def test_an_answer_that_does_not_match_is_asked_for_again_over_tcp(lie):
    zone = Zone({"example.com": {"A": "192.0.2.1"}})

    class Liar(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            self.transport.sendto(lie(data), addr)

    async def converse(reader, writer):
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        reply = zone.reply(dns.message.from_wire(await reader.readexactly(length)), datagram=False)
        wire = reply.to_wire()
        writer.write(struct.pack("!H", len(wire)) + wire)
        writer.close()

    async def work() -> Answer:
        server = await asyncio.start_server(converse, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            Liar, local_addr=("127.0.0.1", port)
        )
        resolver = CachingResolver([f"127.0.0.1:{port}"], timeout=4)
        answer = await resolver.lookup("example.com", "A")
        await resolver.close()
        transport.close()
        server.close()
        await server.wait_closed()
        return answer

    assert asyncio.run(work()) == Records(("192.0.2.1",), 300)


def test_each_question_has_its_own_port_and_id():
    seen: list[tuple[int, bytes]] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()

        class Recorder(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport = transport

            def datagram_received(self, data, addr):
                seen.append((addr[1], data[:2]))
                self.transport.sendto(forged(data), addr)

        transport, _ = await loop.create_datagram_endpoint(Recorder, local_addr=("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        resolver = CachingResolver([f"127.0.0.1:{port}"])
        names = [f"n{number}.example" for number in range(20)]
        await asyncio.gather(*(resolver.lookup(name, "A") for name in names))
        await resolver.close()
        transport.close()

    asyncio.run(work())

    assert len({port for port, _ in seen}) == 20
    assert len({number for _, number in seen}) > 15


def test_without_resolvers_the_systems_are_asked():
    async def work() -> None:
        await CachingResolver().close()

    asyncio.run(work())


def test_the_servers_that_the_system_has_by_now_are_asked():
    async def work() -> list[Answer]:
        here, there = Zone({"a.example": {"TXT": "here"}}), Zone({"b.example": {"TXT": "there"}})
        async with serve(here) as one, serve(there) as other:
            named = [one]
            resolver = CachingResolver(system=lambda: tuple(map(Endpoint.parse, named)))
            try:
                before = await resolver.lookup("a.example", "TXT")
                named[:] = [other]
                return [before, await resolver.lookup("b.example", "TXT")]
            finally:
                await resolver.close()

    answers = asyncio.run(work())

    found = [each.values for each in answers if isinstance(each, Records)]
    assert found == [(b"here",), (b"there",)]


@pytest.mark.parametrize("text", ["127.0.0.1", "[::1]", "127.0.0.1:99999"])
def test_a_resolver_is_an_address_and_a_port(text):
    with pytest.raises(InvalidNameError, match="is not"):
        CachingResolver([text])


@given(st.text(max_size=70), st.sampled_from(["A", "TXT", "MX", "PTR"]))
def test_no_name_makes_it_raise(name, record):
    asyncio.run(ZoneResolver(Zone({})).lookup(name, record))
    assert isinstance(unheard(name, record), NoAnswer | NoRecord)


def unheard(name: str, record: str) -> Answer:
    async def work() -> Answer:
        resolver = CachingResolver(["127.0.0.1:1"], timeout=2)
        try:
            return await resolver.lookup(name, record)
        finally:
            await resolver.close()

    return asyncio.run(work())


def ports_of(questions: int) -> list[int]:
    """From which ports so many are asked, one after the other."""
    ports: list[int] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()

        class Recorder(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport = transport

            def datagram_received(self, data, addr):
                ports.append(addr[1])
                self.transport.sendto(forged(data), addr)

        transport, _ = await loop.create_datagram_endpoint(Recorder, local_addr=("127.0.0.1", 0))
        resolver = CachingResolver([f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"])
        for number in range(questions):
            assert isinstance(await resolver.lookup(f"n{number}.example", "A"), Records)
        await resolver.close()
        transport.close()

    asyncio.run(work())
    return ports


def test_one_question_after_the_other_shares_a_port_for_so_many():
    ports = ports_of(QUESTIONS + 1)

    assert len(set(ports[:QUESTIONS])) == 1
    assert ports[QUESTIONS] != ports[0]


def test_a_port_is_not_used_any_more_after_a_while(monkeypatch):
    monkeypatch.setattr(exchange, "SECONDS", -1.0)

    assert len(set(ports_of(3))) > 1


def test_a_port_where_something_came_unasked_is_not_used_again(monkeypatch):
    monkeypatch.setattr(exchange, "SECONDS", 3600.0)  # Nothing else takes it out of use.
    monkeypatch.setattr(exchange, "QUESTIONS", 1 << 20)
    ports: list[int] = []

    async def work() -> None:
        class Twice(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport = transport

            def datagram_received(self, data, addr):
                ports.append(addr[1])
                for _ in range(2):
                    self.transport.sendto(forged(data), addr)

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Twice, local_addr=("127.0.0.1", 0))
        resolver = CachingResolver([f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"])
        async with asyncio.timeout(60):
            while len(set(ports)) < 2:
                answer = await resolver.lookup(f"{len(ports)}.example", "A")
                assert isinstance(answer, Records)
                # What came unasked is read; on a slow machine some of it may be under way yet.
                for _ in range(5):
                    await asyncio.sleep(0)
        await resolver.close()
        transport.close()

    asyncio.run(work())


def test_a_late_answer_is_not_taken_for_the_next_one():
    late: list[tuple[bytes, object]] = []

    async def work() -> Answer:
        loop = asyncio.get_running_loop()

        class Slow(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport = transport

            def datagram_received(self, data, addr):
                for earlier, asker in late:
                    self.transport.sendto(forged(earlier), asker)
                if late:
                    self.transport.sendto(forged(data), addr)
                late.append((data, addr))

        transport, _ = await loop.create_datagram_endpoint(Slow, local_addr=("127.0.0.1", 0))
        address = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
        resolver = CachingResolver([address], timeout=2)
        answer = await resolver.lookup("example.com", "A")
        await resolver.close()
        transport.close()
        return answer

    assert asyncio.run(work()) == Records(("203.0.113.66",), 300)
    assert late[0][1] != late[1][1]


def test_a_resolver_that_is_released_keeps_no_socket():
    def work(resolver, _clock):
        return used(resolver)

    async def used(resolver) -> tuple[int, int]:
        await resolver.lookup("example.com", "A")
        before = len(os.listdir("/proc/self/fd"))
        resolver.release()
        await asyncio.sleep(0)
        return before, len(os.listdir("/proc/self/fd"))

    before, after = with_resolver({"example.com": {"A": "192.0.2.1"}}, work)

    assert after == before - 1


@given(st.from_regex(r"[A-Za-z0-9_-]{1,20}(\.[A-Za-z0-9_-]{1,20}){0,4}", fullmatch=True))
def test_a_usual_name_is_asked_for_as_dnspython_writes_it(name):
    asked = question(name, "TXT")

    assert asked[:-4] == dns.name.from_text(name).to_digestable()


def test_for_one_message_nothing_is_asked_or_waited_for_twice() -> None:
    clock = Clock()

    async def message(resolver: CachingResolver) -> list[Answer]:
        ask_once()
        found = [await resolver.lookup("fleeting.example", "TXT")]
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await resolver.lookup("silent.example", "TXT")
        clock.now += 1000  # While it waits for its turn.
        for name in ("fleeting.example", "silent.example"):
            found.append(await asyncio.wait_for(resolver.lookup(name, "TXT"), 10))
        return found

    async def work() -> list[Answer]:
        zone = {"fleeting.example": {"TXT": "a", "ttl": 0}, "silent.example": {"silent": True}}
        async with serve(Zone(zone)) as address:
            resolver = CachingResolver([address], timeout=30, clock=clock)
            found = await asyncio.create_task(message(resolver))
            await resolver.close()
            return found

    found = asyncio.run(work())

    assert found[:2] == [Records((b"a",), 0)] * 2
    assert isinstance(found[2], NoAnswer)


def test_for_one_message_nothing_that_was_answered_is_foreseen() -> None:
    asked: list[bytes] = []
    clock = Clock()

    class Recorder(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            asked.append(data)
            self.transport.sendto(forged(data), addr)

    async def work() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Recorder, local_addr=("127.0.0.1", 0))
        address = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
        resolver = CachingResolver([address], clock=clock)
        ask_once()
        await resolver.lookup("example.com", "A")
        clock.now += 1000  # While it waits for its turn.
        resolver.foresee("example.com", "A")
        await resolver.lookup("other.example", "A")
        await resolver.close()
        transport.close()

    asyncio.run(work())

    assert len(asked) == 2
