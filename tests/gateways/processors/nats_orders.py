"""
A JetStream stream ORDERS for tests, and what is done with its events.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.gateways.processors.nats_server import PEER, NatsServer, nats_server
from tests.gateways.processors.surroundings import ACCEPTED, FakeContext

ORDERS = f"url: nats://{PEER}\nattributes: {{subject: 'orders.>'}}\njetstream: {{stream: ORDERS, durable: gateway%s}}\n"
TEXT = ORDERS % ""


@asynccontextmanager
async def orders() -> AsyncIterator[NatsServer]:
    """
    A server with a stream ORDERS.
    """
    async with nats_server(jetstream=True) as server:
        await server.make_stream()
        yield server


async def publish(server: NatsServer, *payloads: bytes) -> None:
    await server.publish("orders.new", *payloads, kept=True)


def settle(context: FakeContext, first: int, last: int, outcome: Any = ACCEPTED) -> None:
    for event in context.events[first:last]:
        assert event.settle is not None
        event.settle(outcome)


async def unacknowledged(server: NatsServer, number: int) -> None:
    """
    Ask the server, which takes acknowledgements in its own time, until that *number* are missing.
    """
    while (await server.consumer())["num_ack_pending"] != number:
        pass
