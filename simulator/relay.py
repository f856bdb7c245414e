"""
Relay: a TCP relay in front of a service that is restarted or faulted; its port stays for the whole scenario.

While a fault keeps a peer waiting on scenario time, everybody's work on that peer is stalled, so that limits can fire.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

SocketAddress = tuple[str, int]
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: close sends RST."""
_ON_THE_WAY_MAX = 1024 * 1024
"""Bytes of one direction kept for later; beyond that they are left with their sender."""


class RelayTime(Protocol):
    """
    What a relay needs of the scenario's time.
    """

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        """As SensorTime.later."""

    def stall_peer(self, peer: str) -> Callable[[], None]:
        """All work on *peer* waits for scenario time until the returned function is called."""


@dataclass(frozen=True, slots=True)
class RelayFault:
    """
    What the relay does to traffic. The default lets everything pass.
    """

    blackhole: bool = False
    """Swallow every byte; healing resets the connections that lost some."""
    pause: bool = False
    """Keep every byte until healed."""
    latency_s: float = 0.0
    """Each piece is handed on so much later."""
    rate_bytes_s: float = 0.0
    """At most so many bytes a second, each direction."""

    @property
    def keeps_waiting(self) -> bool:
        """
        Whether a peer gets no answer until it is healed.
        """
        return self.blackhole or self.pause


class Relay:
    """
    One service's address.

    Args:
        peers: The addresses in texts that lead here, `host:port`.
        time: For delays and stalls.
    """

    def __init__(self, peers: Sequence[str], time: RelayTime) -> None:
        self.peers = tuple(peers)
        self.time = time
        self.fault = RelayFault()
        self._target: SocketAddress | None = None
        self._refusing = False
        self._reserved: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self.port = 0

    async def start(self) -> None:
        """
        Reserve the port. Connections are refused until there is a target.
        """
        self._reserved = _bound(0)
        self.port = self._reserved.getsockname()[1]

    async def stop(self) -> None:
        """
        Drop everything.
        """
        self.reset()
        await self._set_listening(False)
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    async def lead_to(self, target: SocketAddress | None) -> None:
        """
        Hand new connections to *target*; None refuses them, as a stopped service does.
        """
        self._target = target
        await self._set_listening(target is not None and not self._refusing)

    async def refuse(self, refusing: bool) -> None:
        """
        Refuse new connections, or take them again.
        """
        self._refusing = refusing
        await self._set_listening(self._target is not None and not refusing)

    def set_fault(self, fault: RelayFault) -> None:
        """
        Treat all traffic so from now on, on live connections too.
        """
        self.fault = fault
        for pair in tuple(self._pairs):
            pair.fault_changed()

    def disconnect(self) -> None:
        """
        Close every live connection in an orderly way (FIN).
        """
        for pair in tuple(self._pairs):
            pair.close()

    def reset(self) -> None:
        """
        Reset every live connection (RST).
        """
        for pair in tuple(self._pairs):
            pair.reset()

    def stall(self) -> Callable[[], None]:
        """
        Everybody's work on this address waits for scenario time until the returned function is called.
        """
        releases = [self.time.stall_peer(peer) for peer in self.peers]

        def release_all() -> None:
            for release in releases:
                release()

        return release_all

    async def _set_listening(self, listening: bool) -> None:
        if listening and self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: _Side(self._accept), sock=_bound(self.port))
        elif not listening and self._server is not None:
            self._server.close()
            self._server = None

    def _accept(self, client: _Side) -> None:
        if self._target is None:
            client.reset()
            return
        pair = _Pair(self, client, self._target, self._pairs.discard)
        self._pairs.add(pair)
        pair.connect()


def _bound(port: int) -> socket.socket:
    """
    A loopback socket that shares its port with its like: one that never listens reserves the port, so that a refused
    connection is refused by the kernel and nobody else gets the port meanwhile.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(("127.0.0.1", port))
    bound.setblocking(False)
    return bound


class _Side(asyncio.Protocol):
    """
    One end of a relayed connection.
    """

    def __init__(self, made: Callable[[_Side], None]) -> None:
        self._made = made
        self._pauses: set[str] = set()
        self.transport: asyncio.Transport | None = None
        self.got: Callable[[bytes], None] = lambda data: None
        self.ended: Callable[[], None] = lambda: None
        self.other: _Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._made(self)

    def data_received(self, data: bytes) -> None:
        self.got(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.ended()

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.read(False, "full")

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.read(True, "full")

    def read(self, reading: bool, why: str) -> None:
        """
        Read, or leave bytes with the sender; it reads again once every reason to pause is gone.
        """
        if reading:
            self._pauses.discard(why)
        else:
            self._pauses.add(why)
        if self.transport is not None and not self.transport.is_closing():
            if self._pauses:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        if self.transport is not None:
            raw = self.transport.get_extra_info("socket")
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()


class _Pair:
    """
    A client's connection and the one to the service.
    """

    def __init__(self, relay: Relay, client: _Side, target: SocketAddress, over: Callable[[_Pair], None]) -> None:
        self._relay = relay
        self._client = client
        self._service = service = _Side(lambda side: None)
        self._target = target
        self._over = over
        self._connecting: asyncio.Task[None] | None = None
        self._unstall: Callable[[], None] | None = None
        self._lost_bytes = False
        self._up = _Direction(relay, client, service)
        self._down = _Direction(relay, service, client)
        client.other, service.other = service, client
        client.got = lambda data: self._take(self._up, data)
        service.got = lambda data: self._take(self._down, data)
        client.ended = service.ended = self._end

    def connect(self) -> None:
        """
        Connect to the service; what the client sends meanwhile is left with it.
        """
        self._client.read(False, "connecting")
        self.fault_changed()
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self._service, *self._target)
        except OSError:
            self.reset()
            return
        self._client.read(True, "connecting")
        self.fault_changed()

    def fault_changed(self) -> None:
        """
        The relay treats traffic differently from now on.
        """
        fault = self._relay.fault
        if self._lost_bytes and not fault.blackhole:
            self.reset()
            return
        if fault.keeps_waiting and self._unstall is None:
            self._unstall = self._relay.stall()
        elif not fault.keeps_waiting and self._unstall is not None:
            self._unstall()
            self._unstall = None
        for side in (self._client, self._service):
            side.read(not fault.pause, "pause")

    def close(self) -> None:
        """
        End both sides in an orderly way.
        """
        self._client.close()
        self._service.close()

    def reset(self) -> None:
        """
        End both sides at once.
        """
        self._client.reset()
        self._service.reset()
        self._end()

    def _take(self, direction: _Direction, data: bytes) -> None:
        if self._relay.fault.blackhole:
            self._lost_bytes = True
        else:
            direction.push(data)

    def _end(self) -> None:
        if self._unstall is not None:
            self._unstall()
            self._unstall = None
        self._up.drop()
        self._down.drop()
        if self._connecting is not None and not self._connecting.done():
            self._connecting.cancel()
        self.close()
        self._over(self)


class _Direction:
    """
    The bytes on their way from one side to the other.
    """

    def __init__(self, relay: Relay, source: _Side, sink: _Side) -> None:
        self._relay = relay
        self._source = source
        self._sink = sink
        self._on_the_way: deque[_Piece] = deque()
        self._bytes = 0
        self._transfer_s = 0.0

    def push(self, data: bytes) -> None:
        """
        Hand *data* on, now or later; never before what came earlier.
        """
        fault = self._relay.fault
        if not self._on_the_way and not fault.latency_s and not fault.rate_bytes_s:
            self._sink.write(data)
            return
        piece = _Piece(data, len(data) / fault.rate_bytes_s if fault.rate_bytes_s else 0.0, self._relay.stall())
        self._transfer_s += piece.transfer_s
        self._bytes += len(data)
        self._on_the_way.append(piece)
        piece.cancel = self._relay.time.later(fault.latency_s + self._transfer_s, lambda: self._deliver(piece))
        if self._bytes > _ON_THE_WAY_MAX:
            self._source.read(False, "delayed")

    def drop(self) -> None:
        """
        Forget what is on its way.
        """
        for piece in self._on_the_way:
            piece.cancel()
            piece.release()
        self._on_the_way.clear()

    def _deliver(self, due: _Piece) -> None:
        """
        Write everything up to *due*: a later piece may be due first where a fault was changed meanwhile.
        """
        while due in self._on_the_way:
            piece = self._on_the_way.popleft()
            piece.cancel()
            self._transfer_s = max(0.0, self._transfer_s - piece.transfer_s)
            self._bytes -= len(piece.data)
            piece.release()
            self._sink.write(piece.data)
        if self._bytes <= _ON_THE_WAY_MAX:
            self._source.read(True, "delayed")


class _Piece:
    """
    Some bytes that are due later.
    """

    __slots__ = ("cancel", "data", "release", "transfer_s")

    def __init__(self, data: bytes, transfer_s: float, release: Callable[[], None]) -> None:
        self.data = data
        self.transfer_s = transfer_s
        self.release = release
        self.cancel: Callable[[], None] = lambda: None
