"""
HttpServer: the small HTTP/1.1 server that stands behind recording sensors and servers of our own.

It shares no code with the gateway's listener: the judge must not read requests with the eyes of the judged.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import ssl
import struct
import sys
import termios
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, cast

import httptools

from simulator.relay import bound

_SO_NWRITE = 0x1024
"""Of macOS, which Python does not name."""

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

    def stream(self, status: int, headers: Iterable[tuple[str, str]] = ()) -> Stream:
        """
        Begin an answer whose body comes bit by bit.
        """
        stream = Stream(self, self._connection)
        self._connection.begin(self, status, headers)
        return stream

    def reset(self) -> None:
        """
        Drop the connection without an answer.
        """
        self._connection.reset()


class Stream:
    """
    An answer that is under way. Once the client is gone, or the answer is over, nothing more happens to it.
    """

    __slots__ = ("_connection", "_request")

    def __init__(self, request: Request, connection: _Connection) -> None:
        self._request = request
        self._connection = connection

    @property
    def on_gone(self) -> Callable[[], None] | None:
        """Called when the client leaves before the end."""
        return self._request.on_gone

    @on_gone.setter
    def on_gone(self, callback: Callable[[], None]) -> None:
        self._request.on_gone = callback

    @property
    def unsent_bytes(self) -> int:
        """
        How much the client has yet to take.
        """
        return self._connection.unsent_bytes

    @property
    def unconfirmed_bytes(self) -> int:
        """
        How much of what was sent the client's machine has not yet confirmed; 0 where the system does not tell.
        """
        return self._connection.unconfirmed_bytes

    def write(self, data: bytes) -> None:
        """
        Send more of the body.
        """
        if data:
            self._connection.write_piece(self._request, b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        """
        The body is whole.
        """
        self._connection.write_piece(self._request, b"0\r\n\r\n", last=True)


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
        self._encryption: ssl.SSLContext | None = None
        self._reserved: socket.socket | None = None
        self.port = 0

    async def start(self, *, port: int = 0, encryption: ssl.SSLContext | None = None) -> int:
        """
        Listen.

        Args:
            port: 0 for any that is free.
            encryption: TLS or nothing, where it is given.

        Returns:
            The port.
        """
        self._encryption = encryption
        await self._listen(port)
        return self.port

    async def suspend(self) -> None:
        """
        Drop every connection and refuse new ones until `resume`; the port stays ours meanwhile.
        """
        if self._reserved is None:
            self._reserved = bound(self.port)
            self._leave()

    async def resume(self) -> None:
        """
        Listen again, where that was suspended.
        """
        if self._reserved is not None:
            await self._listen(self.port)
            self._reserved.close()
            self._reserved = None

    async def stop(self) -> None:
        """
        Drop every connection and stop listening.
        """
        self._leave()
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    async def _listen(self, port: int) -> None:
        listening = bound(port)
        self.port = listening.getsockname()[1]
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self._handler, self._connections), sock=listening, ssl=self._encryption
        )

    def _leave(self) -> None:
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

    def on_headers_complete(self) -> None:
        assert self._request is not None
        waits = any(
            name.lower() == b"expect" and value.lower() == b"100-continue" for name, value in self._request.fields
        )
        if waits and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

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
        head = _head(status, len(body), headers)
        self._transport.write(head if request.method == "HEAD" else head + body)
        self._answered()

    def begin(self, request: Request, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """
        Write the head of an answer whose body comes in pieces.
        """
        if self._transport is not None and request is self._answering:
            self._transport.write(_lines(status, "transfer-encoding: chunked", headers))

    def write_piece(self, request: Request, piece: bytes, *, last: bool = False) -> None:
        """
        Write a piece of the answer that is under way.
        """
        if self._transport is None or request is not self._answering:
            return
        self._transport.write(piece)
        if last:
            self._answered()

    @property
    def unsent_bytes(self) -> int:
        """
        How much of what was written is still here.
        """
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    @property
    def unconfirmed_bytes(self) -> int:
        """
        How much of what was sent the far end's machine has not confirmed.
        """
        return unconfirmed_bytes(self._transport.get_extra_info("socket")) if self._transport is not None else 0

    def _answered(self) -> None:
        assert self._transport is not None
        self._answering = None
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
    return _lines(status, f"content-length: {length}" if status not in _WITHOUT_BODY else "", headers)


_WITHOUT_BODY = (204, 304)


def _lines(status: int, framing: str, headers: Iterable[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}"]
    lines += [framing] if framing else []
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def unconfirmed_bytes(connection: Any) -> int:
    """
    How much of what was sent over *connection* the far end's machine has not confirmed; 0 where nobody tells.
    """
    if sys.platform == "darwin":
        return int(connection.getsockopt(socket.SOL_SOCKET, _SO_NWRITE))
    if not sys.platform.startswith("linux"):
        return 0
    try:
        (count,) = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4))
    except OSError:
        return 0  # it was closed meanwhile
    return int(count)
