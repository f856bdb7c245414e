"""
Listener: one broker's port; frames in, frames out, answered in their order on each connection.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable
from typing import cast

from simulator.services.embedded.kafka.cluster import Caller, Cluster
from simulator.services.embedded.kafka.protocol import LoginMissing, NotUnderstood, answer

SocketAddress = tuple[str, int]
Stall = Callable[[SocketAddress], Callable[[], None]]
"""Says that the work of who sent a request from there waits for scenario time until what it returns is called."""

_log = logging.getLogger(__name__)
_LENGTH = struct.Struct(">i")
_TLS_HANDSHAKE = b"\x16\x03"
"""How a client begins that speaks TLS."""
_FRAME_MAX = 100 * 1024 * 1024
_WAITING_MAX = 64
"""Requests of one connection that wait for those before them; beyond that it is not read."""


class Listener:
    """
    One broker's port, with all its connections.
    """

    def __init__(self, cluster: Cluster, node: int, stall: Stall = lambda sender: lambda: None) -> None:
        self._cluster = cluster
        self._node = node
        self._stall = stall
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self.port = 0

    async def start(self, port: int = 0, encryption: ssl.SSLContext | None = None) -> None:
        """
        Listen on loopback; on *port* where it is given, with TLS where *encryption* is.
        """
        loop = asyncio.get_running_loop()
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
        self._server = await loop.create_server(
            lambda: _Connection(self._cluster, self._node, self._connections, self._stall), sock=bound, ssl=encryption
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """
        Close the port and every connection.
        """
        server, self._server = self._server, None
        if server is not None:
            server.close()
        tasks = [connection.close() for connection in tuple(self._connections)]
        await asyncio.gather(*tasks, return_exceptions=True)


class _Connection(asyncio.Protocol):
    """
    One client.
    """

    def __init__(self, cluster: Cluster, node: int, connections: set[_Connection], stall: Stall) -> None:
        self._cluster = cluster
        self._node = node
        self._connections = connections
        self._bytes = bytearray()
        self._frames: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._sender: SocketAddress = ("", 0)
        self._caller = Caller(node, "", lambda: stall(self._sender))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._sender = transport.get_extra_info("peername")[:2]
        self._caller.host = f"/{self._sender[0]}"
        self._connections.add(self)
        self._cluster.callers.add(self._caller)
        self._task = asyncio.get_running_loop().create_task(self._serve(), name=f"kafka broker {self._node}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._connections.discard(self)
        self._cluster.callers.discard(self._caller)
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        while len(self._bytes) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._bytes)
            if not 0 <= length <= _FRAME_MAX:
                level = logging.INFO if self._bytes.startswith(_TLS_HANDSHAKE) else logging.WARNING
                _log.log(level, "broker %d: no Kafka request: it begins with %s", self._node, bytes(self._bytes[:8]))
                self.close()
                return
            end = _LENGTH.size + length
            if len(self._bytes) < end:
                break
            self._frames.append(bytes(self._bytes[_LENGTH.size : end]))
            del self._bytes[:end]
        if self._frames:
            self._arrived.set()
        if len(self._frames) > _WAITING_MAX and self._transport is not None:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def close(self) -> asyncio.Future[None]:
        """
        Close the connection; what it returns is done when nothing of it is left.
        """
        if self._transport is not None:
            self._transport.abort()
        assert self._task is not None
        self._task.cancel()
        return self._task

    async def _serve(self) -> None:
        while self._transport is not None:
            await self._arrived.wait()
            frame = self._frames.popleft()
            if not self._frames:
                self._arrived.clear()
                self._transport.resume_reading()
            try:
                answered = await answer(self._cluster, frame, self._caller)
            except NotUnderstood as error:
                _log.log(_level_of(error), "broker %d: %s", self._node, error)
                self._transport.close()
                return
            except Exception:
                _log.exception("broker %d: a request failed", self._node)
                self._transport.close()
                return
            if answered is not None:
                await self._writable.wait()
                self._transport.write(answered)
            if self._caller.is_denied:
                self._transport.close()
                return


def _level_of(error: NotUnderstood) -> int:
    """
    Who does not log in is not in trouble with us, as one is whose request we do not know.
    """
    return logging.INFO if isinstance(error, LoginMissing) else logging.WARNING
