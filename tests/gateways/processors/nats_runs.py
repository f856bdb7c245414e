"""
NATS processors at work in a test, and servers that are not quite nats-server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from gateways.errors import SourceUnavailable
from gateways.processors.nats import NatsProcessor
from tests.gateways.processors.nats_server import PEER, NatsServer
from tests.gateways.processors.surroundings import FakeContext

FOO = f"url: nats://{PEER}\nattributes: {{subject: foo}}\n"
INFO = b'INFO {"server_id":"x","version":"2.10.0","max_payload":1048576}\r\n'


def play(story: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(20):
            await story

    asyncio.run(limited())


class Run:
    """
    One processor at work.
    """

    def __init__(self, text: str, context: FakeContext) -> None:
        self.context = context
        self.processor = NatsProcessor(NatsProcessor.parse("nats.fooConfig", text), context)
        self.task = asyncio.create_task(self.processor.run())

    async def listens(self) -> Run:
        said = asyncio.ensure_future(self.context.until(lambda: self.context.said))
        await asyncio.wait({said, self.task}, return_when=asyncio.FIRST_COMPLETED)
        said.cancel()
        if self.task.done():
            self.task.result()
        return self

    async def failure(self) -> Exception:
        """
        What it ends with, by itself.
        """
        await asyncio.wait({self.task})
        error = self.task.exception()
        assert isinstance(error, Exception)
        return error

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})
        await self.processor.close()


@asynccontextmanager
async def running(text: str, context: FakeContext) -> AsyncIterator[Run]:
    run = Run(text, context)
    try:
        yield run
    finally:
        await run.stop()


def context_for(server: NatsServer, **more: Any) -> FakeContext:
    return FakeContext({PEER: server.endpoint}, **more)


async def failure_at(endpoint: tuple[str, int], text: str = FOO, **more: Any) -> str:
    async with running(text, FakeContext({PEER: endpoint}, **more)) as run:
        error = await run.failure()
        assert type(error) is SourceUnavailable
        return str(error)


@asynccontextmanager
async def listener(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[Any]:
    """
    A server that is not quite nats-server.
    """
    over = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)
        await over.wait()
        writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        over.set()
        server.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def speaking(after_subscribe: bytes, *, leaves: bool = False) -> AsyncIterator[Any]:
    """
    A server that says something right after the subscription's PONG.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        for answer in (b"PONG\r\n", b"PONG\r\n" + after_subscribe):
            await reader.readuntil(b"PING\r\n")
            writer.write(answer)
        if leaves:
            writer.close()

    async with listener(serve) as endpoint:
        yield endpoint


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return
