"""
Processors at work in a test, whatever their type, and servers that are not quite what they claim.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from gateways.processor import Processor, Shared
from tests.gateways.processors.surroundings import FakeContext


def play(story: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(20):
            await story

    asyncio.run(limited())


class Run:
    """
    One processor at work.
    """

    def __init__(
        self, processor_type: type[Processor], text: str, context: FakeContext, shared: Shared | None = None
    ) -> None:
        self.context = context
        self.processor = processor_type(processor_type.parse("fooConfig", text), context, shared)
        self.task = asyncio.create_task(self.processor.run())

    async def listens(self) -> Run:
        said = asyncio.ensure_future(self.context.until(lambda: self.context.said))
        await asyncio.wait({said, self.task}, return_when=asyncio.FIRST_COMPLETED)
        said.cancel()
        if self.task.done():
            self.task.result()
        return self

    async def events(self, count: int) -> list[Any]:
        await self.context.until(lambda: len(self.context.events) >= count)
        return self.context.events

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
async def running_as(
    processor_type: type[Processor], text: str, context: FakeContext, shared: Shared | None = None
) -> AsyncIterator[Run]:
    run = Run(processor_type, text, context, shared)
    try:
        yield run
    finally:
        await run.stop()


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
