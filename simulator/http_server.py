"""
HttpServer: the small HTTP/1.1 server that stands behind recording sensors.

It shares no code with the gateway's listener: the judge must not read requests with the eyes of the judged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, cast

import httptools

SocketAddress = tuple[str, int]
Handler = Callable[["Request"], None]

_REASONS = {status.value: status.phrase for status in HTTPStatus}
BODY_BYTES_MAX = 64 * 1024 * 1024


class Request:
    """
    One request, to be answered once, at any later time.
    """

    __slots__ = ("_connection", "body", "fields", "method", "on_gone", "sender", "target")

    def __init__(self, connection: _Connection, sender: SocketAddress) -> None:
        self._connection = connection
        self.sender = sender
        self.method = ""
        self.target = ""
        self.fields: list[tuple[bytes, bytes]] = []
        """Header fields as they came."""
        self.body = b""
        self.on_gone: Callable[[], None] | None = None
        """Called when the client leaves before the answer."""

    def headers(self) -> dict[str, str]:
        """
        The header fields by lower-case name; the values of a repeated one are joined by a comma.
        """
        headers: dict[str, str] = {}
        for field, value in self.fields:
            name, text = field.decode("latin-1").lower(), value.decode("latin-1")
            headers[name] = f"{headers[name]}, {text}" if name in headers else text
        return headers

    def respond(self, status: int, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()) -> None:
        """
        Answer. Does nothing when the client is gone.
        """
        self._connection.respond(self, status, body, headers)

    def reset(self) -> None:
        """
        Drop the connection without an answer.
        """
        self._connection.reset()


class HttpServer:
    """
    Serves one handler on a loopback port.

    Args:
        handler: Called with each complete request, in the turn in which it is complete.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> int:
        """
        Listen.

        Returns:
            The port.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self._handler, self._connections), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def stop(self) -> None:
        """
        Drop every connection and stop listening.
        """
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.reset()
        self._server = None


class _Connection(asyncio.Protocol):
    def __init__(self, handler: Handler, connections: set[_Connection]) -> None:
        self._handler = handler
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._sender: SocketAddress = ("", 0)
        self._request: Request | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._answering: Request | None = None
        self._queue: list[Request] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop has classes of its own
        peer: Any = transport.get_extra_info("peername")
        self._sender = (peer[0], peer[1]) if peer else ("", 0)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._connections.discard(self)
        for request in (self._answering, *self._queue):
            if request is not None and request.on_gone is not None:
                request.on_gone()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError as error:
            if self._transport is not None:
                self._transport.write(_head(400, len(str(error)), ()) + str(error).encode())
                self._transport.close()

    # What follows is called by the parser.

    def on_message_begin(self) -> None:
        self._request = Request(self, self._sender)
        self._pieces = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        assert self._request is not None
        self._request.target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        assert self._request is not None
        self._request.fields.append((name, value))

    def on_body(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > BODY_BYTES_MAX:
            self.reset()
            return
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        request, self._request = self._request, None
        assert request is not None
        request.method = self._parser.get_method().decode("latin-1")
        request.body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        if self._answering is not None:
            self._queue.append(request)
        else:
            self._take(request)

    def _take(self, request: Request) -> None:
        self._answering = request
        self._handler(request)

    # What follows is for requests.

    def respond(self, request: Request, status: int, body: bytes, headers: Iterable[tuple[str, str]]) -> None:
        """
        Write the answer of the request that is due; the next one in the pipeline is taken up.
        """
        if self._transport is None or request is not self._answering:
            return
        self._answering = None
        head = _head(status, len(body), headers)
        self._transport.write(head if request.method == "HEAD" else head + body)
        if not self._parser.should_keep_alive():
            self._transport.close()
        elif self._queue:
            self._take(self._queue.pop(0))

    def reset(self) -> None:
        """
        Abort the connection.
        """
        if self._transport is not None:
            self._transport.abort()


def _head(status: int, length: int, headers: Iterable[tuple[str, str]]) -> bytes:
    if status == 202 and not length and not headers:
        return b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}", f"content-length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
