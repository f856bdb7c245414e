from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop

from simulator.relay import Relay, RelayFault
from simulator.relayed_connection import _ON_THE_WAY_MAX

PEER = "nats.argo-events:4222"


class FakeTime:
    """
    Scenario time that a test moves, and what is stalled on it.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.stalled: list[str] = []
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        self._number += 1
        entry = (self.now + seconds, self._number, callback)
        self._due.append(entry)
        return lambda: self._due.remove(entry) if entry in self._due else None

    def stall_peer(self, peer: str) -> Callable[[], None]:
        self.stalled.append(peer)
        return lambda: self.stalled.remove(peer)

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self._due and min(self._due)[0] <= end + 1e-9:
            entry = min(self._due)
            self._due.remove(entry)
            self.now = entry[0]
            entry[2]()
        self.now = end


class Service:
    """
    A server that keeps what it reads and answers what a test says.
    """

    def __init__(self) -> None:
        self.connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._came = asyncio.Event()

    async def start(self) -> tuple[str, int]:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        address: tuple[str, int] = self._server.sockets[0].getsockname()[:2]
        return address

    async def stop(self) -> None:
        self._server.close()
        for _, writer in self.connections:
            writer.transport.abort()

    async def accepted(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        await self._came.wait()
        self._came.clear()
        return self.connections[-1]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append((reader, writer))
        self._came.set()


class World:
    """
    A service, the relay in front of it, and clients.
    """

    def __init__(self, relay: Relay, service: Service, time: FakeTime, target: tuple[str, int]) -> None:
        self.relay, self.service, self.time, self.target = relay, service, time, target
        self.writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.relay.port)
        self.writers.append(writer)
        return reader, writer

    async def pair(
        self,
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, asyncio.StreamReader, asyncio.StreamWriter]:
        client = await self.connect()
        return (*client, *await self.service.accepted())


@asynccontextmanager
async def relayed() -> AsyncIterator[World]:
    time, service = FakeTime(), Service()
    relay, target = Relay([PEER], time), await service.start()
    await relay.start()
    await relay.lead_to(target)
    world = World(relay, service, time, target)
    try:
        yield world
    finally:
        for writer in world.writers:
            writer.transport.abort()
        await relay.stop()
        await service.stop()


def play(story: Callable[[World], Awaitable[None]]) -> None:
    """
    On both event loops that scenarios are played on.
    """

    async def run() -> None:
        async with asyncio.timeout(20), relayed() as world:
            await story(world)

    for factory in (asyncio.new_event_loop, uvloop.new_event_loop):
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(run())


async def nothing_came(reader: asyncio.StreamReader, world: World) -> None:
    """
    Show that *reader* has nothing, by bytes that went the whole way over another connection of the same loop.
    """
    probe = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    port = probe.sockets[0].getsockname()[1]
    for _ in range(3):
        answer, writer = await asyncio.open_connection("127.0.0.1", port)
        await answer.read()
        writer.close()
    probe.close()
    assert reader._buffer == b""  # type: ignore[attr-defined]  # asyncio offers no other look without reading


def test_bytes_pass_in_both_directions() -> None:
    async def story(world: World) -> None:
        reader, writer, service_reader, service_writer = await world.pair()
        writer.write(b"SUB foo 1\r\n")
        assert await service_reader.readexactly(11) == b"SUB foo 1\r\n"
        service_writer.write(b"MSG")
        assert await reader.readexactly(3) == b"MSG"

    play(story)


def test_whose_a_connection_to_the_service_is_can_be_told_from_its_far_end() -> None:
    async def story(world: World) -> None:
        _, writer = await world.connect()
        _, there = await world.service.accepted()
        far_end, client = there.get_extra_info("peername")[:2], writer.get_extra_info("sockname")[:2]
        assert far_end != client
        assert world.relay.client_of(far_end) == client
        assert world.relay.client_of(client) is None

    play(story)


def test_a_megabyte_passes_unharmed() -> None:
    async def story(world: World) -> None:
        _, writer, service_reader, _ = await world.pair()
        data = bytes(range(256)) * 4096 * 3
        writer.write(data)
        assert await service_reader.readexactly(len(data)) == data

    play(story)


def test_what_is_sent_before_the_service_is_connected_is_not_lost() -> None:
    async def story(world: World) -> None:
        for _ in range(50):
            _, writer = await world.connect()
            writer.write(b"at once")
            service_reader, _ = await world.service.accepted()
            assert await service_reader.readexactly(7) == b"at once"

    play(story)


def test_a_client_that_sends_and_leaves_at_once_is_heard() -> None:
    async def story(world: World) -> None:
        for _ in range(50):
            _, writer = await world.connect()
            writer.write(b"PUB foo 0")
            writer.close()
            service_reader, _ = await world.service.accepted()
            assert await service_reader.read() == b"PUB foo 0"

    play(story)


def test_a_service_that_does_not_run_refuses() -> None:
    async def story(world: World) -> None:
        await world.relay.lead_to(None)
        with pytest.raises(ConnectionRefusedError) as refused:
            await world.connect()
        assert refused.value.errno == errno.ECONNREFUSED

    play(story)


def test_refuse_refuses_new_connections_until_healed_and_leaves_live_ones() -> None:
    async def story(world: World) -> None:
        _, writer, service_reader, _ = await world.pair()
        await world.relay.refuse(True)
        with pytest.raises(ConnectionRefusedError):
            await world.connect()
        writer.write(b"live")
        assert await service_reader.readexactly(4) == b"live"
        await world.relay.refuse(False)
        await world.pair()

    play(story)


def test_a_refused_port_stays_reserved() -> None:
    async def story(world: World) -> None:
        await world.relay.refuse(True)
        with socket.socket() as other, pytest.raises(OSError, match=r"in use"):
            other.bind(("127.0.0.1", world.relay.port))

    play(story)


def test_reset_is_a_true_rst() -> None:
    async def story(world: World) -> None:
        reader, _, service_reader, _ = await world.pair()
        world.relay.reset()
        for end in (reader, service_reader):
            with pytest.raises(ConnectionResetError):
                await end.read()

    play(story)


def test_disconnect_is_an_orderly_end() -> None:
    async def story(world: World) -> None:
        reader, _, service_reader, _ = await world.pair()
        world.relay.disconnect()
        assert await reader.read() == b""
        assert await service_reader.read() == b""
        await world.pair()

    play(story)


def test_latency_hands_on_later_in_order_and_stalls_the_peer_meanwhile() -> None:
    async def story(world: World) -> None:
        _, writer, service_reader, _ = await world.pair()
        world.relay.set_fault(RelayFault(latency_s=0.2))
        writer.write(b"one")
        await until(lambda: world.time.stalled)
        assert world.time.stalled == [PEER]
        world.time.advance(0.1)
        await nothing_came(service_reader, world)
        world.time.advance(0.1)
        assert await service_reader.readexactly(3) == b"one"
        assert world.time.stalled == []

    play(story)


def test_rate_hands_on_so_many_bytes_a_second() -> None:
    async def story(world: World) -> None:
        _, writer, service_reader, _ = await world.pair()
        world.relay.set_fault(RelayFault(rate_bytes_s=100))
        writer.write(b"x" * 250)
        await until(lambda: world.time.stalled)
        world.time.advance(1.0)
        assert len(await service_reader.readexactly(100)) == 100
        await nothing_came(service_reader, world)
        world.time.advance(1.5)
        assert len(await service_reader.readexactly(150)) == 150
        assert world.time.stalled == []

    play(story)


def test_bytes_that_come_while_others_are_sent_wait_no_longer_than_the_rate_asks() -> None:
    async def story(world: World) -> None:
        _, writer, service_reader, _ = await world.pair()
        world.relay.set_fault(RelayFault(rate_bytes_s=100, latency_s=1.0))
        writer.write(b"a" * 100)
        await until(lambda: world.time.stalled)
        world.time.advance(0.9)
        writer.write(b"b" * 100)
        await nothing_came(service_reader, world)
        world.time.advance(2.1)
        assert await service_reader.readexactly(200) == b"a" * 100 + b"b" * 100

    play(story)


def test_healing_hands_on_at_once_what_was_delayed() -> None:
    async def story(world: World) -> None:
        _, writer, service_reader, _ = await world.pair()
        world.relay.set_fault(RelayFault(latency_s=60, rate_bytes_s=1))
        writer.write(b"delayed")
        await until(lambda: world.time.stalled)
        world.relay.set_fault(RelayFault())
        writer.write(b" and after")
        assert await service_reader.readexactly(17) == b"delayed and after"
        assert world.time.stalled == []

    play(story)


def test_what_was_on_its_way_arrives_before_the_end() -> None:
    async def story(world: World) -> None:
        reader, _, _, service_writer = await world.pair()
        world.relay.set_fault(RelayFault(latency_s=1))
        service_writer.write(b"last words")
        service_writer.close()
        await until(lambda: world.time.stalled)
        await nothing_came(reader, world)
        world.time.advance(1)
        assert await reader.read() == b"last words"

    play(story)


def test_pause_keeps_every_byte_until_healed() -> None:
    async def story(world: World) -> None:
        reader, writer, service_reader, service_writer = await world.pair()
        world.relay.set_fault(RelayFault(pause=True))
        assert world.time.stalled == [PEER]
        writer.write(b"up")
        service_writer.write(b"down")
        await nothing_came(service_reader, world)
        await nothing_came(reader, world)
        world.relay.set_fault(RelayFault())
        assert await service_reader.readexactly(2) == b"up"
        assert await reader.readexactly(4) == b"down"
        assert world.time.stalled == []

    play(story)


def test_a_new_connection_to_a_paused_service_is_taken_and_waits() -> None:
    async def story(world: World) -> None:
        world.relay.set_fault(RelayFault(pause=True))
        reader, _, _, service_writer = await world.pair()
        assert world.time.stalled == [PEER]
        service_writer.write(b"INFO")
        await nothing_came(reader, world)
        world.relay.set_fault(RelayFault())
        assert await reader.readexactly(4) == b"INFO"

    play(story)


def test_clients_that_give_up_on_a_paused_service_leave_nothing_behind() -> None:
    async def story(world: World) -> None:
        world.relay.set_fault(RelayFault(pause=True))
        for _ in range(20):
            _, writer, service_reader, _ = await world.pair()
            writer.write(b"CONNECT")
            writer.close()
            assert await service_reader.read() == b""
        assert not world.relay._connections
        assert world.time.stalled == []

    play(story)


def test_a_black_hole_swallows_and_healing_resets_whoever_lost_bytes() -> None:
    async def story(world: World) -> None:
        reader, writer, service_reader, _ = await world.pair()
        quiet_reader, _, _, quiet_writer = await world.pair()
        world.relay.set_fault(RelayFault(blackhole=True))
        assert world.time.stalled == [PEER, PEER]
        writer.write(b"lost")
        await nothing_came(service_reader, world)
        world.relay.set_fault(RelayFault())
        with pytest.raises(ConnectionResetError):
            await reader.read()
        quiet_writer.write(b"kept")
        assert await quiet_reader.readexactly(4) == b"kept"
        assert world.time.stalled == []

    play(story)


def test_what_is_kept_for_later_is_bounded() -> None:
    async def story(world: World) -> None:
        _, writer, service_reader, _ = await world.pair()
        world.relay.set_fault(RelayFault(latency_s=1))
        writer.write(b"x" * (_ON_THE_WAY_MAX * 16))
        connection = next(iter(world.relay._connections))
        await until(lambda: connection._up._bytes > _ON_THE_WAY_MAX)
        await nothing_came(service_reader, world)
        assert connection._up._bytes <= _ON_THE_WAY_MAX * 1.5
        world.relay.set_fault(RelayFault())
        assert len(await service_reader.readexactly(_ON_THE_WAY_MAX * 16)) == _ON_THE_WAY_MAX * 16

    play(story)


def test_a_reader_that_does_not_read_stops_its_sender() -> None:
    async def story(world: World) -> None:
        _, writer, service_reader, _ = await world.pair()
        sent = 0
        while writer.transport.get_write_buffer_size() < _ON_THE_WAY_MAX:
            writer.write(b"x" * 65536)
            sent += 65536
            await nothing_or_progress()
            assert sent < 256 * _ON_THE_WAY_MAX, "the relay takes in whatever comes"
        assert len(await service_reader.readexactly(sent)) == sent

    play(story)


def test_the_port_stays_while_the_service_comes_and_goes() -> None:
    async def story(world: World) -> None:
        port = world.relay.port
        for _ in range(3):
            await world.relay.lead_to(None)
            await world.relay.lead_to(world.target)
            await world.pair()
        assert world.relay.port == port

    play(story)


def test_a_target_that_died_resets_its_clients() -> None:
    async def story(world: World) -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            await world.relay.lead_to(nobody.getsockname())
            reader, _ = await world.connect()
            with pytest.raises(ConnectionResetError):
                await reader.read()

    play(story)


def test_stopping_releases_every_stall_and_the_port() -> None:
    async def story(world: World) -> None:
        reader, _, _, _ = await world.pair()
        world.relay.set_fault(RelayFault(pause=True))
        await world.relay.stop()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert world.time.stalled == []
        with socket.socket() as other:
            other.bind(("127.0.0.1", world.relay.port))

    play(story)


async def until(holds: Callable[[], object]) -> None:
    """
    Give the loop turns until something holds; the test's limit ends a wait in vain.
    """
    while not holds():
        await asyncio.sleep(0)


async def nothing_or_progress() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
