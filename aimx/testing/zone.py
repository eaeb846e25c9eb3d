"""A DNS server on 127.0.0.1 that answers from a table, to rehearse mail without the real DNS.

The table goes by name, then by record. It reads the same in Python and in TOML:

    ["example.com"]
    A = "192.0.2.1"                                # one value, or a list of them
    MX = ["10 mx.example.com", "20 192.example"]   # preference and host; "0 ." is the null MX
    TXT = ["v=spf1 mx -all", "anything else"]      # split into strings of 255 octets by itself
    ttl = 60                                       # seconds, for all records of the name

    ["www.example.com"]
    CNAME = "example.com"

    ["1.2.0.192.in-addr.arpa"]
    PTR = "example.com"

    ["broken.example"]
    fails = "SERVFAIL"      # or "REFUSED", ...: this answer to every question about the name

    ["silent.example"]
    silent = true           # no answer at all

    ["long.example"]
    truncated = true        # over UDP only that the answer is too long; over TCP the answer
    TXT = "v=spf1 -all"

A name that is not in the table, and has none below it, does not exist (NXDOMAIN).

    async with serve(Zone(table)) as resolver:      # "127.0.0.1:40963", for `[dns] resolvers`
        ...
    with serve_in_thread(Zone(table)) as resolver:  # the same where no event loop runs
        ...
    answer = await ZoneResolver(zone).lookup("example.com", "MX")   # without any socket
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeAlias

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from aimx.verify import answers
from aimx.verify.answers import Elsewhere
from aimx.verify.resolver import Answer, NoAnswer, NoRecord

RECORDS = frozenset({"A", "AAAA", "CNAME", "MX", "PTR", "TXT"})
BEHAVIOURS = frozenset({"fails", "silent", "truncated", "ttl"})
TTL = 300  # Seconds.
STRING = 255  # Octets: RFC 1035 3.3.
LONGEST_CHAIN = 16  # CNAMEs.
SMALLEST_PAYLOAD = 512  # Octets over UDP for a client that names none (RFC 1035 4.2.1).
LARGEST = 65535
PORTS_TRIED = 20

Table: TypeAlias = Mapping[str, Mapping[str, Any]]


class Zone:
    """The table, ready to answer. Raises ValueError for a table that says something else."""

    def __init__(self, table: Table) -> None:
        self._names = {name.lower().removesuffix("."): entry for name, entry in table.items()}
        for name, entry in self._names.items():
            if unknown := entry.keys() - RECORDS - BEHAVIOURS:
                raise ValueError(
                    f"{name}: {sorted(unknown)[0]} is neither a record nor a behaviour"
                )
            for record in RECORDS & entry.keys():
                _rrset(dns.name.from_text(name), record, entry)
            if entry.get("fails", "SERVFAIL") not in dns.rcode.Rcode.__members__:
                raise ValueError(f"{name}: {entry['fails']} is no response code: write SERVFAIL")

    def reply(self, query: dns.message.Message, *, datagram: bool) -> dns.message.Message | None:
        """The answer to `query`; None where the zone keeps silent."""
        question = query.question[0]
        entry = self._entry(question.name)
        if entry.get("silent"):
            return None
        reply = dns.message.make_response(query, recursion_available=True)
        if "fails" in entry:
            reply.set_rcode(dns.rcode.from_text(entry["fails"]))
        elif datagram and entry.get("truncated"):
            reply.flags |= dns.flags.TC
        else:
            self._fill(reply, question.name, dns.rdatatype.to_text(question.rdtype))
        return reply

    def _entry(self, name: dns.name.Name) -> Mapping[str, Any]:
        return self._names.get(name.to_text(omit_final_dot=True).lower(), {})

    def _fill(self, reply: dns.message.Message, name: dns.name.Name, record: str) -> None:
        for _ in range(LONGEST_CHAIN):
            entry = self._entry(name)
            if record in entry or "CNAME" not in entry:
                break
            alias = _rrset(name, "CNAME", entry)
            reply.answer.append(alias)
            name = dns.name.from_text(alias[0].to_text())
        if record in entry:
            reply.answer.append(_rrset(name, record, entry))
            return
        # RFC 2308 2.2: what says that there is nothing, and for how long.
        reply.authority.append(dns.rrset.from_text(".", TTL, "IN", "SOA", f". . 1 1 1 1 {TTL}"))
        if not self._exists(name):
            reply.set_rcode(dns.rcode.NXDOMAIN)

    def _exists(self, name: dns.name.Name) -> bool:
        """RFC 8020: a name exists that has one below it."""
        text = name.to_text(omit_final_dot=True).lower()
        return any(known == text or known.endswith(f".{text}") for known in self._names)


def _rrset(name: dns.name.Name, record: str, entry: Mapping[str, Any]) -> dns.rrset.RRset:
    values = entry[record] if isinstance(entry[record], list | tuple) else [entry[record]]
    texts = [_quoted(value) if record == "TXT" else _absolute(value, record) for value in values]
    try:
        return dns.rrset.from_text(name, entry.get("ttl", TTL), "IN", record, *texts)
    except dns.exception.DNSException as cause:
        raise ValueError(f"{name}: {record} {values} cannot be a record: {cause}") from cause


def _absolute(value: str, record: str) -> str:
    return value if record in ("A", "AAAA") or value.endswith(".") else f"{value}."


def _quoted(text: str) -> str:
    octets = text.encode()
    strings = [octets[at : at + STRING] for at in range(0, len(octets), STRING)] or [b""]
    return " ".join('"' + "".join(f"\\{octet:03}" for octet in string) + '"' for string in strings)


class ZoneResolver:
    """A zone as a resolver, with no socket between."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self.asked: list[tuple[str, str]] = []  # Every look-up, in order.
        self.foreseen: list[tuple[str, str]] = []

    def foresee(self, name: str, record: str) -> None:
        self.foreseen.append((name, record))

    async def lookup(self, name: str, record: str) -> Answer:
        self.asked.append((name, record))
        try:
            query = dns.message.make_query(name, record)
        except (dns.exception.DNSException, UnicodeError):
            return NoRecord(exists=False)
        reply = self._zone.reply(query, datagram=False)
        if reply is None:
            return NoAnswer(f"{record} of {name}: silent")
        match answers.read(reply.to_wire()):
            case NoAnswer(reason):
                return NoAnswer(f"{record} of {name}: {reason}")
            case Elsewhere():
                return NoAnswer(f"{record} of {name}: endless")
            case answer:
                return answer


@contextlib.asynccontextmanager
async def serve(zone: Zone) -> AsyncIterator[str]:
    """Answer from `zone` over UDP and TCP on a free port; gives "127.0.0.1:port"."""
    datagrams, streams = _sockets_on_one_port()
    address, port = streams.getsockname()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Datagrams(zone), sock=datagrams
    )
    conversing: set[asyncio.StreamWriter] = set()
    server = await asyncio.start_server(partial(_converse, zone, conversing), sock=streams)
    try:
        yield f"{address}:{port}"
    finally:
        transport.close()
        server.close()
        for writer in tuple(conversing):
            writer.close()
        await server.wait_closed()


@contextlib.contextmanager
def serve_in_thread(zone: Zone) -> Iterator[str]:
    """As `serve`, in an event loop of its own."""
    ready: Future[tuple[str, Callable[[], object]]] = Future()
    thread = threading.Thread(target=asyncio.run, args=(_hold(zone, ready),), name="zone")
    thread.start()
    resolver, stop = ready.result()
    try:
        yield resolver
    finally:
        stop()
        thread.join()


async def _hold(zone: Zone, ready: Future[tuple[str, Callable[[], object]]]) -> None:
    over = asyncio.Event()
    stop = partial(asyncio.get_running_loop().call_soon_threadsafe, over.set)
    try:
        async with serve(zone) as resolver:
            ready.set_result((resolver, stop))
            await over.wait()
    except OSError as trouble:
        ready.set_exception(trouble)


class _Datagrams(asyncio.DatagramProtocol):
    _transport: asyncio.DatagramTransport

    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if wire := _answer(self._zone, data, datagram=True):
            self._transport.sendto(wire, addr)


async def _converse(
    zone: Zone,
    conversing: set[asyncio.StreamWriter],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    conversing.add(writer)
    try:
        while True:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            if wire := _answer(zone, await reader.readexactly(length), datagram=False):
                writer.write(struct.pack("!H", len(wire)) + wire)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        conversing.discard(writer)
        writer.close()


def _answer(zone: Zone, data: bytes, *, datagram: bool) -> bytes | None:
    try:
        query = dns.message.from_wire(data)
    except dns.exception.DNSException:
        return None
    reply = zone.reply(query, datagram=datagram)
    if reply is None:
        return None
    room = max(query.payload, SMALLEST_PAYLOAD) if datagram else LARGEST
    try:
        return reply.to_wire(max_size=room)
    except dns.exception.TooBig:
        return _cut(query).to_wire()


def _cut(query: dns.message.Message) -> dns.message.Message:
    reply = dns.message.make_response(query, recursion_available=True)
    reply.flags |= dns.flags.TC
    return reply


def _sockets_on_one_port() -> tuple[socket.socket, socket.socket]:
    """For datagrams and for streams: a port that is free for one may be taken for the other."""
    for _ in range(PORTS_TRIED):
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        streams = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            datagrams.bind(("127.0.0.1", 0))
            streams.bind(datagrams.getsockname())
        except OSError:
            datagrams.close()
            streams.close()
        else:
            datagrams.settimeout(0)
            return datagrams, streams
    raise OSError(errno.EADDRINUSE, "no port of 127.0.0.1 is free for both UDP and TCP")
