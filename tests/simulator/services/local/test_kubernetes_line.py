"""
The line to an API server: it passes bytes as they are, and knows who watches.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from simulator.services.certificate import Certificate
from simulator.services.local.kubernetes_line import KubernetesLine

WATCH = b"GET /api/v1/pods?watch=true HTTP/1.1\r\nHost: x\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n"


class Server:
    """
    Speaks TLS, keeps what it is asked, and answers what a test says.
    """

    def __init__(self) -> None:
        self.asked: asyncio.Queue[bytes] = asyncio.Queue()
        self.writer: asyncio.StreamWriter

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        while piece := await reader.read(65_536):
            self.asked.put_nowait(piece)
        writer.close()


@asynccontextmanager
async def a_line(folder: Path) -> AsyncIterator[tuple[Server, KubernetesLine]]:
    certificate = Certificate(folder, ["127.0.0.1"])
    await certificate.make()
    server = Server()
    serving = await asyncio.start_server(server.connected, "127.0.0.1", 0, ssl=certificate.serving())
    context = ssl.create_default_context(cafile=str(certificate.file))
    line = KubernetesLine(serving.sockets[0].getsockname()[1], context)
    await line.listen()
    try:
        yield server, line
    finally:
        await line.close()
        serving.close()


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[None]]], None]:
    def played(story: Callable[[], Awaitable[None]]) -> None:
        async def limited() -> None:
            async with asyncio.timeout(10):
                await story()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(limited())

    return played


def test_a_watch_is_known_from_its_request_to_its_end(
    play: Callable[[Callable[[], Awaitable[None]]], None], tmp_path: Path
) -> None:
    async def story() -> None:
        async with a_line(tmp_path) as (server, line):
            reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
            writer.write(WATCH[:20])
            assert await server.asked.get() == WATCH[:20]
            writer.write(WATCH[20:])
            assert await server.asked.get() == WATCH[20:]
            assert line.watched == ["/api/v1/pods"]
            server.writer.write(STREAM)
            assert await reader.readexactly(len(STREAM)) == STREAM
            assert line.watched == ["/api/v1/pods"]
            server.writer.write(b"0\r\n\r\n")
            await reader.readexactly(5)
            assert line.watched == []
            writer.close()

    play(story)


def test_watches_are_cut_alone_and_all_is_cut_when_it_is_left(
    play: Callable[[Callable[[], Awaitable[None]]], None], tmp_path: Path
) -> None:
    async def story() -> None:
        async with a_line(tmp_path) as (server, line):
            watching, one = await asyncio.open_connection("127.0.0.1", line.port)
            one.write(WATCH)
            await server.asked.get()
            idle, other = await asyncio.open_connection("127.0.0.1", line.port)
            other.write(b"GET /version HTTP/1.1\r\n")
            await server.asked.get()
            await line.cut_watches()
            assert await watching.read() == b""
            assert line.watched == []
            other.write(b"Host: x\r\n\r\n")
            assert await server.asked.get() == b"Host: x\r\n\r\n"
            await line.leave()
            assert await idle.read() == b""
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", line.port)
            await line.listen()
            _, again = await asyncio.open_connection("127.0.0.1", line.port)
            for writer in (one, other, again):
                writer.close()

    play(story)
