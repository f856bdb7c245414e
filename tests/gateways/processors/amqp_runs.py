"""
AMQP processors at work in a test, on the simulator's server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from pamqp.commands import Basic

from gateways.processors.amqp import AmqpProcessor
from gateways.processors.amqp_identities import Identities
from simulator.services.embedded.amqp import AmqpServer, Broker, Message
from tests.gateways.processors.surroundings import FakeContext

PEER = "amqp.argo-events:5672"
FOO = f"url: amqp://{PEER}\nattributes: {{exchangeName: foo, exchangeType: direct, routingKey: k}}\n"
NAMED = f"{FOO}queue: work\n"


def play(story: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(20):
            await story

    asyncio.run(limited())


class Server:
    """
    One server, which a test may stop and start again.
    """

    def __init__(self) -> None:
        def later(seconds: float, callback: Any) -> Any:
            return asyncio.get_running_loop().call_later(seconds, callback).cancel

        self.amqp = AmqpServer("1.0", users={"guest": "guest"}, vhosts=["/"], later=later)
        self.port = 0

    @property
    def endpoint(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    @property
    def broker(self) -> Broker:
        return self.amqp.vhosts["/"]

    def publish(self, *bodies: bytes, **properties: Any) -> None:
        for body in bodies:
            self.broker.publish(Message.made("foo", "k", Basic.Properties(**properties), body))

    async def start(self) -> None:
        self.port = await self.amqp.start(self.port)


@asynccontextmanager
async def amqp_server() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    try:
        yield server
    finally:
        server.amqp.stop()


class Run:
    """
    One processor at work.
    """

    def __init__(self, text: str, context: FakeContext, shared: Identities | None) -> None:
        self.context = context
        self.processor = AmqpProcessor(AmqpProcessor.parse("amqp.fooConfig", text), context, shared)
        self.task = asyncio.create_task(self.processor.run())

    async def listens(self) -> Run:
        said = asyncio.ensure_future(self.context.until(lambda: self.context.said))
        await asyncio.wait({said, self.task}, return_when=asyncio.FIRST_COMPLETED)
        said.cancel()
        if self.task.done():
            self.task.result()
        return self

    async def failure(self) -> str:
        """
        What it ends with, by itself.
        """
        await asyncio.wait({self.task})
        error = self.task.exception()
        assert isinstance(error, Exception)
        return str(error)

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})
        await self.processor.close()


@asynccontextmanager
async def running(text: str, context: FakeContext, shared: Identities | None = None) -> AsyncIterator[Run]:
    run = Run(text, context, shared)
    try:
        yield run
    finally:
        await run.stop()


def context_for(server: Server, **more: Any) -> FakeContext:
    return FakeContext({PEER: server.endpoint}, **more)
