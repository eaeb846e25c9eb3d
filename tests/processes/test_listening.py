import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from aimx.processes.listening import BindError, Listening, accepted
from aimx.testing.ports import ReservedPort
from desired.quantities import Endpoint

Reserve = Callable[[], Endpoint]


@pytest.fixture
def endpoint() -> Iterator[Reserve]:
    """Gives endpoints that nobody else gets."""
    with ExitStack() as held:
        yield lambda: Endpoint("127.0.0.1", held.enter_context(ReservedPort()).number)


@pytest.fixture
def listening() -> Iterator[Listening]:
    made = Listening()
    yield made
    made.close()


def test_a_socket_stays_bound_where_the_endpoint_stays(
    listening: Listening, endpoint: Reserve
) -> None:
    kept, gone, new = endpoint(), endpoint(), endpoint()
    listening.prepare([kept, gone])
    listening.commit()
    before = listening.bound[kept]

    listening.prepare([kept, new])
    added, left = listening.commit()

    assert listening.bound[kept] is before
    assert added == {listening.bound[new]}
    for listener in left:
        listener.close()
    assert set(listening.bound) == {kept, new}


def test_an_address_in_use_is_refused_with_what_to_do(
    listening: Listening, endpoint: Reserve
) -> None:
    taken, free = endpoint(), endpoint()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((taken.host, taken.port))
        other.listen()

        with pytest.raises(BindError, match=r"address already in use\. Stop what listens there"):
            listening.prepare([free, taken])

    assert listening.prepared == {}
    listening.prepare([free])


def test_no_second_daemon_shares_an_address_and_takes_half_of_the_mail(
    listening: Listening, endpoint: Reserve
) -> None:
    at, other = endpoint(), Listening()
    listening.prepare([at])

    with pytest.raises(BindError, match="address already in use"):
        other.prepare([at])


def test_what_is_dropped_is_free_again(listening: Listening, endpoint: Reserve) -> None:
    wanted = endpoint()
    listening.prepare([wanted])
    listening.drop()

    listening.prepare([wanted])

    assert set(listening.prepared) == {wanted}


def test_who_comes_as_somebody_stops_to_wait_is_there_for_the_next(
    listening: Listening, endpoint: Reserve
) -> None:
    at = endpoint()
    listening.prepare([at])
    listening.commit()
    listener = listening.bound[at]

    async def scene() -> str:
        loop = asyncio.get_running_loop()
        waiting = asyncio.create_task(accepted(listener))
        await asyncio.sleep(0)
        client.connect((at.host, at.port))
        # Before the loop is at what it hears of the client, in the same turn.
        loop.call_soon(waiting.cancel)
        await asyncio.gather(waiting, return_exceptions=True)
        async with asyncio.timeout(10):
            connection, peer = await accepted(listener)
        connection.close()
        return peer

    with socket.socket() as client:
        assert asyncio.run(scene()) == "127.0.0.1"
