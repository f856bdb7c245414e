"""
HttpTarget: dispatches the events of one configuration to one watcher over HTTP, on kept-alive connections.

Source: CloudEvents HTTP binding 1.0.2; R-PIP-10; docs/delivery.md.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from functools import partial
from urllib.parse import quote

from gateways.addresses import AddressBook
from gateways.clock import Clock, Hold, within
from gateways.cloudevent import CloudEvent
from gateways.encoder import ContentMode, Encoder
from gateways.errors import AddressRefused
from gateways.gateway_spec import GatewaySpec
from gateways.http_client import ClientConnection, why_not_connected
from gateways.limits import Limits
from gateways.source_event import Certainty
from gateways.watcher import Attempt, Watcher

IDLE_MAX = 64
"""Connections kept idle for one watcher."""
IDLE_S_MAX = 60.0
"""Longer idle ones are not used again: their server may be closing them (ours does after 75 s)."""


class _NotReached(Exception):
    """
    No connection came about, so the watcher certainly has nothing.
    """


class _Pool:
    """
    The connections to one address, shared by all configurations of a gateway; the last used is used first.
    """

    def __init__(self, watcher: Watcher, clock: Clock, addresses: AddressBook, connect_s: float) -> None:
        self._watcher = watcher
        self._clock = clock
        self._addresses = addresses
        self._connect_s = connect_s
        self._idle: list[ClientConnection] = []
        self._all: set[ClientConnection] = set()
        self._tls: ssl.SSLContext | None = None

    def take(self) -> ClientConnection | None:
        """
        An idle connection that may be used.
        """
        while self._idle:
            connection = self._idle.pop()
            if connection.is_quiet() and self._clock.elapsed() - connection.idle_since <= IDLE_S_MAX:
                return connection
            connection.abort()
        return None

    def give_back(self, connection: ClientConnection) -> None:
        """
        The answer came: keep the connection for the next request, if it lives.
        """
        if not connection.is_open:
            return
        if connection.last or len(self._idle) >= IDLE_MAX:
            connection.close()
            return
        connection.idle_since = self._clock.elapsed()
        self._idle.append(connection)

    async def connect(self, hold: Hold) -> ClientConnection:
        """
        A new connection, within the connect limit.

        Raises:
            _NotReached: With the cause.
        """
        watcher = self._watcher
        try:
            host, port = self._addresses.dial(watcher.host, watcher.port)
        except AddressRefused as error:
            raise _NotReached(str(error)) from None
        connecting = asyncio.ensure_future(
            asyncio.get_running_loop().create_connection(
                lambda: ClientConnection(self._all.add, self._forget),
                host,
                port,
                ssl=self._tls_context() if watcher.tls else None,
                server_hostname=watcher.host if watcher.tls else None,
            )
        )
        try:
            _, connection = await self._in_time(connecting, hold)
        except (OSError, ValueError) as error:
            raise _NotReached(f"connect {watcher.peer}: {why_not_connected(error, watcher.host)}") from None
        return connection

    async def _in_time(
        self, connecting: asyncio.Future[tuple[asyncio.Transport, ClientConnection]], hold: Hold
    ) -> tuple[asyncio.Transport, ClientConnection]:
        try:
            return await within(hold, self._connect_s, connecting)
        except asyncio.CancelledError:
            if connecting.done() and not connecting.cancelled() and connecting.exception() is None:
                connecting.result()[1].abort()
            raise

    def close(self) -> None:
        """
        Close idle connections now, busy ones when their request ends.
        """
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        for connection in self._all:
            connection.last = True

    def abort(self) -> None:
        """
        Drop every connection.
        """
        for connection in tuple(self._all):
            connection.abort()

    def _forget(self, connection: ClientConnection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


class HttpTarget:
    """
    One configuration's way to one watcher. See Target.
    """

    __slots__ = ("_answer_s", "_encoder", "_head", "_mode", "_pool", "name", "peer")

    def __init__(self, watcher: Watcher, pool: _Pool, encoder: Encoder, *, mode: ContentMode, limits: Limits) -> None:
        self.name = watcher.name
        self.peer = watcher.peer
        self._pool = pool
        self._encoder = encoder
        self._mode = mode
        self._head = request_head(watcher)
        self._answer_s = limits.gateway_answer_s if watcher.is_gateway else limits.answer_s

    async def attempt(self, event: CloudEvent, hold: Hold) -> Attempt:
        """See Target."""
        pool = self._pool
        connection = pool.take()
        if connection is None:
            try:
                connection = await pool.connect(hold)
            except _NotReached as error:
                return Attempt(Certainty.REFUSED, str(error))
        hold.sent_from(connection.local)
        answer = connection.ask(self._head + self._encoder.encode(event, self._mode))
        alarm = hold.alarm(self._answer_s, partial(connection.too_late, self._answer_s))
        try:
            attempt = await answer
        except asyncio.CancelledError:
            connection.abort()
            raise
        finally:
            alarm.cancel()
        pool.give_back(connection)
        return attempt


class HttpTargets:
    """
    The targets of one gateway. See Targets.

    Args:
        spec: Watchers, content mode and limits.
        clock: For idle connections, and for the old envelope.
        addresses: Where to connect.
    """

    def __init__(self, spec: GatewaySpec, *, clock: Clock, addresses: AddressBook) -> None:
        self._spec = spec
        self._clock = clock
        self._addresses = addresses
        self._pools: dict[tuple[str, int, bool], _Pool] = {}

    def of(self, configuration: str) -> tuple[HttpTarget, ...]:
        """See Targets: one for each watcher of the Gateway."""
        return self.to(self._spec.watchers)

    def to(self, watchers: Iterable[Watcher], *, version: str | None = None) -> tuple[HttpTarget, ...]:
        """See Targets: one for each of *watchers*, in this order; they share what is encoded."""
        encoder = Encoder(version=self._spec.version if version is None else version, clock=self._clock)
        limits = self._spec.limits
        return tuple(
            HttpTarget(watcher, self._pool(watcher), encoder, mode=self._mode(watcher), limits=limits)
            for watcher in watchers
        )

    async def close(self) -> None:
        """See Targets: idle connections are closed now, busy ones when their request ends."""
        for pool in self._pools.values():
            pool.close()

    def abort(self) -> None:
        """See Targets."""
        for pool in self._pools.values():
            pool.abort()

    def _pool(self, watcher: Watcher) -> _Pool:
        key = (watcher.host, watcher.port, watcher.tls)
        if key not in self._pools:
            self._pools[key] = _Pool(watcher, self._clock, self._addresses, self._spec.limits.connect_s)
        return self._pools[key]

    def _mode(self, watcher: Watcher) -> ContentMode:
        return ContentMode.STRUCTURED if watcher.is_gateway else ContentMode.of(self._spec)


def request_head(watcher: Watcher) -> bytes:
    """
    What every request to *watcher* begins with.
    """
    host = quote(watcher.host, safe=":", errors="replace")
    host = f"[{host}]" if ":" in host else host
    path = quote(watcher.path.partition("#")[0], safe="/%?&=+;:@,!$'()*~-._[]", errors="replace")
    return f"POST {path} HTTP/1.1\r\nHost: {host}:{watcher.port}\r\nUser-Agent: gatesim\r\n".encode(
        "latin-1", "replace"
    )
