"""
AMQP processors at work in a test, on the simulator's server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from pamqp.commands import Basic

from gateways.processors.amqp import AmqpProcessor
from gateways.processors.amqp_identities import Identities
from simulator.services.embedded.amqp import AmqpServer, Broker, Message
from tests.gateways.processors.runs import Run, running_as
from tests.gateways.processors.surroundings import FakeContext

PEER = "amqp.argo-events:5672"
FOO = f"url: amqp://{PEER}\nattributes: {{exchangeName: foo, exchangeType: direct, routingKey: k}}\n"
NAMED = f"{FOO}queue: work\n"


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


def running(text: str, context: FakeContext, shared: Identities | None = None) -> AbstractAsyncContextManager[Run]:
    return running_as(AmqpProcessor, text, context, shared)


def context_for(server: Server, **more: Any) -> FakeContext:
    return FakeContext({PEER: server.endpoint}, **more)
