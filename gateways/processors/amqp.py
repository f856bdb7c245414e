"""
AMQP 0-9-1: a queue of its own, or a named one, bound to an exchange; a message is acknowledged after its dispatch.

A run lasts as long as its connection. A message that cannot be dispatched goes back to its queue and comes again.
"""

from __future__ import annotations

import asyncio
from typing import Any

from gateways.errors import GatewayError
from gateways.processor import Context, Delivery, Guarantee, Processor, Shared, Surroundings
from gateways.processors.amqp_connection import AmqpConnection, connect
from gateways.processors.amqp_consumer import AmqpConsumer
from gateways.processors.amqp_identities import Identities
from gateways.processors.amqp_options import AmqpOptions
from gateways.processors.servers import answered, has_received


class AmqpProcessor(Processor):
    """
    Listens to one exchange by one queue.

    Source: G-AMQP-1, G-AMQP-2, R-NATS-4; docs/types/amqp.md.
    """

    type = "amqp"
    redelivers = True
    guarantee = Guarantee(
        told="each message, after its dispatch; one that nobody accepts goes back to its queue",
        by_default=Delivery.AT_LEAST_ONCE,
        extent="while connected",
        stronger="`queue` and `durable`: survives restarts of either side",
    )

    options: AmqpOptions

    def __init__(self, options: AmqpOptions, context: Context, shared: Any = None) -> None:
        super().__init__(options, context, shared)
        self._identities = shared if isinstance(shared, Identities) else Identities(context.limits.remembered)
        self._connection: AmqpConnection | None = None
        self._consumer: AmqpConsumer | None = None
        self._listening = False
        self._aborted = False

    @classmethod
    def parse(cls, key: str, text: str) -> AmqpOptions:
        """See Processor."""
        return AmqpOptions.parse(text)

    @classmethod
    def make_shared(cls, surroundings: Surroundings) -> Shared:
        """See Processor."""
        return Identities(surroundings.limits.remembered)

    async def run(self) -> None:
        """See Processor."""
        connection = self._connection = await connect(self.options, self.context, self._lost)
        consumer = self._consumer = AmqpConsumer(self.options, self.context, connection, self._identities)
        try:
            await answered(self.context, connection.peer, consumer.listen())
            self._listening = True
            self.context.running(f"consuming from {consumer.description} at {connection.peer}")
            await consumer.hand_on_until_lost()
        except asyncio.CancelledError:
            await self._leave(connection, consumer)
            raise
        except BaseException:
            await self.close()
            raise

    async def caught_up(self) -> bool:
        """See Processor. Without a connection nothing can be handed on."""
        connection, consumer = self._connection, self._consumer
        if connection is None or consumer is None or connection.cause or not self._listening:
            return True
        return await has_received(self.context, connection.peer, consumer.received_all())

    def paused(self) -> bool:
        """See Processor."""
        return self._consumer is not None and self._consumer.paused

    async def close(self) -> None:
        """See Processor."""
        connection, consumer = self._connection, self._consumer
        self._connection = self._consumer = None
        self._listening = False
        if consumer is not None:
            await consumer.close()
        if connection is not None:
            await connection.close()

    def abort(self) -> None:
        """See Processor."""
        self._aborted = True
        if self._connection is not None:
            self._connection.abort()

    def _lost(self) -> None:
        """
        The connection is lost. The run goes on while what was received over it still waits for room.
        """
        connection, consumer = self._connection, self._consumer
        if consumer is not None and connection is not None:
            if consumer.paused and self._listening:
                self.context.failing(str(connection.failure))
            consumer.stir()

    async def _leave(self, connection: AmqpConnection, consumer: AmqpConsumer) -> None:
        """
        Stop receiving. The connection stays for as long as something has to be settled over it.
        """
        if not self._aborted:
            try:
                await answered(self.context, connection.peer, consumer.leave())
            except GatewayError as error:
                self.context.log.warning("did not leave in an orderly way: %s", error)
        if self._aborted or not consumer.unsettled:
            await self.close()
