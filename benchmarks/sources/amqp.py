"""
AMQP: our AMQP server beside the load, and one routing key for each event in flight.
"""

from __future__ import annotations

import asyncio

from pamqp.commands import Basic

from benchmarks.load import PAYLOAD
from benchmarks.sources.source import Source
from simulator.services.embedded.amqp import AmqpServer, Message

_EXCHANGE = "load"


class AmqpSource(Source):
    """See Source."""

    type = "amqp"

    def __init__(self, in_flight: int) -> None:
        super().__init__(in_flight)
        users = {"guest": "guest"}
        self._server = AmqpServer("1.0", users=users, vhosts=["/"], later=lambda seconds, callback: lambda: None)
        self._port = 0
        self._keys = [f"s{number}" for number in range(in_flight)]

    async def start(self) -> None:
        """See Source."""
        self._port = await self._server.start()

    async def stop(self) -> None:
        """See Source."""
        self._server.stop()

    def texts(self) -> dict[str, str]:
        """See Source."""
        attributes = f"attributes: {{exchangeName: {_EXCHANGE}, exchangeType: direct, routingKey: %s}}"
        return {key: f"url: amqp://127.0.0.1:{self._port}\n{attributes % key}" for key in self._keys}

    def relay_arguments(self) -> list[str]:
        """See Source."""
        return [str(self._port), _EXCHANGE, *self._keys]

    async def publish(self, count: int) -> None:
        """See Source."""
        properties = Basic.Properties(content_type="application/json")
        messages = [Message.made(_EXCHANGE, key, properties, PAYLOAD) for key in self._keys]
        for number in range(count):
            self._server.vhosts["/"].publish(messages[number % len(messages)])
            if not number % 100:
                await asyncio.sleep(0)
