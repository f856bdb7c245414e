"""
HttpListener: an HTTP/1.1 server on one port; hands each complete request to a handler, in the turn in which it is.
"""

from __future__ import annotations

import asyncio
import os

from gateways.clock import Alarm, Clock, Wakeup
from gateways.http_connection import Connection, Handler
from gateways.limits import Limits

_ANSWER_S = 1.0
"""At the stop limit whoever made the requests' events gives them up; the answers that say so must still get out."""


class HttpListener:
    """
    One port.

    Args:
        handler: Called with each request; answers it now or later. What it raises is answered 500, and logged.
        clock: For limits; also told of each request that waits for its answer, so that a simulator sees whose it is.
        limits: Of heads, bodies, connections and stopping.
    """

    def __init__(self, handler: Handler, *, clock: Clock, limits: Limits) -> None:
        self.handler = handler
        self.clock = clock
        self.limits = limits
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._retired = False
        self._limit: Alarm | None = None
        self._empty = Wakeup(clock)
        self._empty.set()

    @property
    def connections(self) -> int:
        """
        How many clients are connected.
        """
        return len(self._connections)

    async def start(self, host: str, port: int) -> int:
        """
        Listen.

        Args:
            host: The interface.
            port: 0 takes a free one.

        Returns:
            The port.

        Raises:
            OSError: It cannot be bound.
        """
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self), host, port, backlog=1024, start_serving=False)
        try:
            await server.start_serving()
        except BaseException:  # a cancelled start must not leave a port open that nobody knows of
            server.close()
            raise
        self._server = server
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    def retire(self) -> None:
        """
        Accept no more, close idle connections, and busy ones after their answer, or soon after the stop limit.
        """
        if self._retired:
            return
        self._retired = True
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.retire()
        if self._connections:
            self._limit = self.clock.alarm(self.limits.stop_s + _ANSWER_S, self.abort)

    async def close(self) -> None:
        """
        Retire, and wait until the last connection is closed.
        """
        self.retire()
        await self._empty.wait()
        await self.clock.sleep(0)  # the last connections end in the turn after

    def abort(self) -> None:
        """
        Accept no more and drop every connection.
        """
        self._retired = True
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.abort()

    # What follows is for connections: see Owner.

    def enter(self, connection: Connection) -> int:
        """See Owner."""
        self._connections.add(connection)
        self._empty.clear()
        return len(self._connections) - self.limits.connections

    def leave(self, connection: Connection) -> None:
        """See Owner."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()
            if self._limit is not None:
                self._limit.cancel()


def listen_failure(port: int, error: OSError) -> str:
    """
    Why *port* cannot be listened on, in one line.
    """
    why = os.strerror(error.errno).lower() if error.errno else str(error) or "no answer from the system"
    return f"listen {port}: {why}"
