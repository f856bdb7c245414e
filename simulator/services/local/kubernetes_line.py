"""
KubernetesLine: plain HTTP on loopback in front of an API server that speaks TLS alone, for clients with no credentials.

It passes bytes as they are, and reads along what is watched.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import httptools

from simulator.relay import bound

_LOOPBACK = "127.0.0.1"
_PIECE_BYTES = 65_536


class KubernetesLine:
    """
    One port, which stays for the whole scenario.

    Args:
        port: Of the API server.
        context: How to connect to it, as whom.
    """

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._target = port
        self._context = context
        self._reserved = bound(0)
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], _Connection] = {}
        self.port: int = self._reserved.getsockname()[1]

    @property
    def watched(self) -> list[str]:
        """
        The paths that clients watch at present.
        """
        return [each.watched for each in self._connections.values() if each.watched]

    async def listen(self) -> None:
        """
        Take connections. Calling again does nothing.
        """
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, sock=bound(self.port))

    async def leave(self) -> None:
        """
        Refuse connections, and cut those that there are.
        """
        server, self._server = self._server, None
        if server is not None:
            server.close()
        await self._cut(list(self._connections))

    async def cut_watches(self) -> None:
        """
        End every watch.
        """
        await self._cut([task for task, each in self._connections.items() if each.watched])

    async def close(self) -> None:
        """
        Give the port back.
        """
        await self.leave()
        self._reserved.close()

    async def _cut(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = self._connections[task] = _Connection()
        try:
            far_reader, far_writer = await asyncio.open_connection(_LOOPBACK, self._target, ssl=self._context)
            try:
                await connection.carry(reader, writer, far_reader, far_writer)
            finally:
                far_writer.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass  # the server is gone, or we were told to cut it: either way the client sees its end
        finally:
            del self._connections[task]
            writer.close()


class _Connection:
    """
    One client's connection: whoever ends it ends both halves.
    """

    def __init__(self) -> None:
        self._asked = ""
        self.watched = ""
        """The path that it watches; empty for none."""

    async def carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
    ) -> None:
        requests, answers = httptools.HttpRequestParser(self), httptools.HttpResponseParser(_Answers(self))
        halves = [
            asyncio.create_task(_pass_on(reader, far_writer, requests), name="requests to the API server"),
            asyncio.create_task(_pass_on(far_reader, writer, answers), name="answers of the API server"),
        ]
        try:
            await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for half in halves:
                half.cancel()
            await asyncio.wait(halves)

    def answered(self) -> None:
        """
        The answer to the request at hand is complete.
        """
        self.watched = ""

    # What follows is called by the parser of requests.

    def on_message_begin(self) -> None:
        self._asked = ""

    def on_url(self, url: bytes) -> None:
        self._asked += url.decode("latin-1")

    def on_headers_complete(self) -> None:
        asked = urlsplit(self._asked)
        watches = parse_qs(asked.query).get("watch", [""])[0] in ("true", "1")
        self.watched = asked.path if watches else ""


class _Answers:
    """
    What is called by the parser of answers.
    """

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def on_message_complete(self) -> None:
        self._connection.answered()


async def _pass_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    parser: httptools.HttpRequestParser | httptools.HttpResponseParser,
) -> None:
    reads_along = True
    with suppress(OSError):
        while piece := await reader.read(_PIECE_BYTES):
            if reads_along:
                try:
                    parser.feed_data(piece)
                except (httptools.HttpParserError, httptools.HttpParserUpgrade):
                    reads_along = False  # it is no HTTP any more; the server will know what to do with it
            writer.write(piece)
            await writer.drain()
