"""
One HTTP request, as an outside sender of a webhook makes it; it keeps time still until the gateway has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol, cast

import httptools

SocketAddress = tuple[str, int]


class Response(NamedTuple):
    """
    What came back.
    """

    status: int | None
    """None where no answer came; then `cause` says why."""
    headers: tuple[tuple[str, str], ...]
    """Lower-case names, in order."""
    body: bytes
    cause: str = ""


class SenderHold(Protocol):
    """
    The part of a hold that a sender uses.
    """

    def sent_from(self, address: SocketAddress) -> None:
        """From which socket the request leaves."""


async def send(
    endpoint: SocketAddress,
    *,
    method: str,
    target: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    host: str,
    hold: SenderHold,
) -> Response:
    """
    Send one request over a connection of its own and read the answer. Never raises for what the network does.

    Args:
        endpoint: Where to connect.
        method: As it goes on the wire.
        target: Path and query.
        headers: Sent as they are; `host`, `content-length` and `connection` are added where missing.
        body: The whole body.
        host: The `Host` header.
        hold: Told the local socket before the first byte leaves.
    """
    loop = asyncio.get_running_loop()
    try:
        _, exchange = await loop.create_connection(lambda: _Exchange(loop, method), *endpoint)
    except OSError as error:
        return Response(None, (), b"", f"cannot connect: {error.strerror or error}")
    try:
        return await exchange.run(_head(method, target, headers, len(body), host) + body, hold)
    finally:
        exchange.drop()


def _head(method: str, target: str, headers: Sequence[tuple[str, str]], length: int, host: str) -> bytes:
    names = {name.lower() for name, _ in headers}
    lines = [f"{method} {target} HTTP/1.1"]
    if "host" not in names:
        lines.append(f"host: {host}")
    if "content-length" not in names and "transfer-encoding" not in names and (length or method in _WITH_BODY):
        lines.append(f"content-length: {length}")
    if "connection" not in names:
        lines.append("connection: close")
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_FRAMED = frozenset({"content-length", "transfer-encoding"})
"""Headers that say where a body ends."""


class _Exchange(asyncio.Protocol):
    def __init__(self, loop: asyncio.AbstractEventLoop, method: str) -> None:
        self._method = method
        self._done: asyncio.Future[Response] = loop.create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._headers: list[tuple[str, str]] = []
        self._pieces: list[bytes] = []
        self._answered = False

    async def run(self, request: bytes, hold: SenderHold) -> Response:
        """
        Send and wait.
        """
        assert self._transport is not None
        address = self._transport.get_extra_info("sockname")
        hold.sent_from((address[0], address[1]))
        self._transport.write(request)
        return await self._done

    def drop(self) -> None:
        """
        Abort the connection.
        """
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop has classes of its own

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._finish(Response(self._parser.get_status_code(), tuple(self._headers), b""))
        except httptools.HttpParserError as error:
            self._finish(Response(None, (), b"", f"the answer is no HTTP: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        named = not _FRAMED.isdisjoint(name for name, _ in self._headers)
        if self._answered and (self._method == "HEAD" or not named):
            # HEAD is answered without a body, whatever length is named; a body of no named length ends like this.
            self._finish(Response(self._parser.get_status_code(), tuple(self._headers), b"".join(self._pieces)))
        else:
            when = "in the middle of the answer" if self._answered else "without an answer"
            self._finish(Response(None, (), b"", f"the connection was closed {when}"))

    def _finish(self, response: Response) -> None:
        if not self._done.done():
            self._done.set_result(response)

    # What follows is called by the parser.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        if self._parser.get_status_code() < 200:
            self._headers.clear()
        else:
            self._answered = True

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() >= 200:
            self._finish(Response(self._parser.get_status_code(), tuple(self._headers), b"".join(self._pieces)))
