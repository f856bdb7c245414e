"""
The webhook configurations of a gateway without its dispatcher: a test settles their events.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateways.clock import Clock, SystemClock, end
from gateways.limits import Limits
from gateways.processors.webhook import WebhookProcessor
from simulator.addresses import Addresses
from tests.gateways.surroundings import (
    FakeContext,
    Wire,
    ask,
    post,
)

FOO = "{endpoint: /foo, method: POST}"


class Hooks:
    """
    The configurations of one webhook gateway.
    """

    def __init__(self, clock: Clock, limits: Limits, ports: dict[int, int]) -> None:
        self.clock, self.limits, self.ports = clock, limits, ports
        self.contexts: dict[str, FakeContext] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.shared = WebhookProcessor.make_shared(self._context("-"))
        self.processors: dict[str, WebhookProcessor] = {}

    def _context(self, key: str) -> FakeContext:
        return FakeContext(key, clock=self.clock, ports=self.ports, limits=self.limits)

    async def apply(self, gone: tuple[str, ...] = (), **texts: str) -> None:
        """
        One change, as a gateway makes it.
        """
        for key in gone:
            await end(self.clock, self._tasks.pop(key))
            del self.contexts[key]
        for key, text in texts.items():
            context = self.contexts[key] = self._context(key)
            processor = WebhookProcessor(WebhookProcessor.parse(key, text), context, self.shared)
            self.processors[key] = processor
            self._tasks[key] = asyncio.create_task(processor.run())
        for key in texts:
            context = self.contexts[key]
            await context.until(lambda context=context: context.said)
        await self.shared.reconcile()

    def says(self, key: str) -> str:
        return self.contexts[key].said[-1]

    async def post(self, path: str = "/foo", *, port: int = 12000, key: str = "foo", **options: Any) -> tuple[Any, ...]:
        """
        One request, its event accepted.
        """
        asking = asyncio.create_task(ask(self.ports[port], post(path, **options)))
        context = self.contexts[key]
        await context.until(lambda: context.events or asking.done())
        if context.events:
            context.settle()
        return await asking

    async def stop(self) -> None:
        for task in self._tasks.values():
            await end(self.clock, task)
        await self.shared.close()


@asynccontextmanager
async def hooks(
    *, clock: Clock | None = None, limits: Limits | None = None, **texts: str
) -> AsyncIterator[tuple[Hooks, int]]:
    ports = dict(zip((12000, 12001, 12002), free_ports(3), strict=True))
    running = Hooks(clock or SystemClock(), limits or Limits(), ports)
    await running.apply(**texts)
    try:
        yield running, ports[12000]
    finally:
        await running.stop()


def free_ports(count: int) -> list[int]:
    """
    Ports that no outgoing connection takes meanwhile.
    """
    addresses = Addresses()
    return [addresses.listen("hooks", number)[1] for number in range(count)]


async def waiting_for_room(running: Hooks, wire: Wire, request: bytes, *, count: int) -> None:
    wire.send(request)
    while len(running.processors["foo"]._waiting) < count:
        await asyncio.sleep(0)


def reset(wire: Wire) -> None:
    sock = wire.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # a close is a reset
    wire.writer.transport.abort()
