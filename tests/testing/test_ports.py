import asyncio
import errno
import socket

import pytest

from aimx.testing.exchanger import Exchanger
from aimx.testing.ports import ReservedPort

BOTH = ("127.0.0.1", "127.0.0.2")


def listening(address: str, port: int, *, reuse: bool) -> socket.socket:
    end = socket.socket()
    end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
    try:
        end.bind((address, port))
        end.listen()
    except OSError:
        end.close()
        raise
    return end


@pytest.mark.parametrize("address", BOTH)
def test_a_server_gets_in_where_its_port_is_reserved_and_again_afterwards(address: str) -> None:
    with ReservedPort(*BOTH) as port:
        for _ in range(2):
            with listening(address, port.number, reuse=True):
                socket.create_connection((address, port.number), 60).close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address, port.number), 60)


def test_whoever_wants_any_port_gets_none_that_is_reserved() -> None:
    with ReservedPort() as port:
        taken = {listening("127.0.0.1", 0, reuse=True) for _ in range(200)}

        assert port.number not in {end.getsockname()[1] for end in taken}
        for end in taken:
            end.close()


def test_what_is_given_back_is_anybodys() -> None:
    with ReservedPort() as port:
        with pytest.raises(OSError, match="in use") as refused:
            listening("127.0.0.1", port.number, reuse=False)
        assert refused.value.errno == errno.EADDRINUSE

    listening("127.0.0.1", port.number, reuse=False).close()


def test_two_exchangers_share_a_port_number_at_two_addresses() -> None:
    async def run() -> list[int]:
        with ReservedPort(*BOTH) as port:
            one, other = (Exchanger(address=address, port=port.number) for address in BOTH)
            async with one, other:
                return [one.port, other.port]

    first, second = asyncio.run(run())

    assert first == second
