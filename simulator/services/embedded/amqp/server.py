"""
AmqpServer: a listener on loopback, its clients' sockets, and the virtual hosts that outlive a restart.

In memory; heartbeats run on real time, times to live on the scenario's.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Mapping
from typing import cast

from simulator.services.embedded.amqp.broker import Broker
from simulator.services.embedded.amqp.connection import Connection
from simulator.services.embedded.amqp.queue import Later
from simulator.services.embedded.amqp.wire import HEARTBEAT

_LOOPBACK = "127.0.0.1"


class AmqpServer:
    """
    One AMQP 0-9-1 server.

    Args:
        version: What it calls itself.
        users: Names to passwords.
        vhosts: Names of the virtual hosts.
        later: For times to live.
    """

    def __init__(self, version: str, *, users: Mapping[str, str], vhosts: Iterable[str], later: Later) -> None:
        self.version = version
        self.vhosts: Mapping[str, Broker] = {name: Broker(name, later) for name in vhosts}
        self.loses_acknowledgements = False
        """A fault: consumers' acknowledgements are not heard."""
        self._users = dict(users)
        self._server: asyncio.Server | None = None
        self._clients: set[_Client] = set()

    @property
    def is_running(self) -> bool:
        """
        Whether it listens.
        """
        return self._server is not None

    def knows(self, user: str, password: str) -> bool:
        """See connection.Rules."""
        return self._users.get(user) == password

    async def start(self, port: int = 0, *, encryption: ssl.SSLContext | None = None) -> int:
        """
        Listen on loopback; returns the port.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Client(self, self._clients), _LOOPBACK, port, reuse_address=True, ssl=encryption
        )
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    def stop(self) -> None:
        """
        Tell every client and end; what is transient is gone.
        """
        for client in tuple(self._clients):
            client.connection.shut_down()
        self._end()

    def kill(self) -> None:
        """
        Drop every client without a word and end; what is transient is gone.
        """
        self._end()

    def time_out_channels(self) -> None:
        """
        A fault: each consumer's messages are taken from it as if it had taken too long.
        """
        for client in tuple(self._clients):
            client.connection.time_out_channels()

    def _end(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for client in tuple(self._clients):
            client.drop()
        for broker in self.vhosts.values():
            broker.forget_transient()


class _Client(asyncio.Protocol):
    """
    One client's socket; see connection.Wire.
    """

    def __init__(self, server: AmqpServer, clients: set[_Client]) -> None:
        self.writable = True
        self._clients = clients
        self._transport: asyncio.Transport | None = None
        self._heard = True
        self._beats: list[asyncio.TimerHandle] = []
        self.connection = Connection(server, self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._clients.add(self)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        self.connection.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._forget()

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        self.connection.pump()

    def write(self, data: bytes) -> None:
        """See connection.Wire."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """See connection.Wire."""
        if self._transport is not None:
            self._transport.close()

    def drop(self) -> None:
        """
        Close the socket; what the client had is put back here and now.
        """
        self.close()
        self._forget()

    def beat(self, seconds: int) -> None:
        """See connection.Wire."""
        if seconds:
            self._every(seconds / 2, self._send_beat)
            self._every(seconds * 2, self._check_beat)

    def _every(self, seconds: float, action: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        number = len(self._beats)

        def ring() -> None:
            self._beats[number] = loop.call_later(seconds, ring)
            action()

        self._beats.append(loop.call_later(seconds, ring))

    def _send_beat(self) -> None:
        self.write(HEARTBEAT)

    def _check_beat(self) -> None:
        if not self._heard and self._transport is not None:
            self._transport.abort()
        self._heard = False

    def _forget(self) -> None:
        for timer in self._beats:
            timer.cancel()
        self._beats.clear()
        if self in self._clients:
            self._clients.discard(self)
            self.connection.lost()
