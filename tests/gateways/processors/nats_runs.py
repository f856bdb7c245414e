"""
NATS processors at work in a test.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from gateways.processors.nats import NatsProcessor
from tests.gateways.processors.nats_server import PEER, NatsServer
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
