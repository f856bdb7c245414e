"""
NATS: subjects with wildcards and queue groups; durable consumers of JetStream streams stand in nats_jetstream.py.

A run lasts as long as its connection. What a plain subscription has received is never told to the server, so an event
that cannot be dispatched is dropped and counted; a durable consumer is told of each.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from gateways.clock import Wakeup
from gateways.errors import GatewayError
from gateways.processor import Context, Delivery, Guarantee, Processor
from gateways.processors.backlog import Backlog
from gateways.processors.nats_connection import NatsConnection, connect
from gateways.processors.nats_jetstream import DurableConsumer
from gateways.processors.nats_options import NatsOptions
from gateways.processors.servers import answered, has_received
from gateways.source_event import SourceEvent


class NatsProcessor(Processor):
    """
    Listens to one subject.

    Source: R-NATS-1, R-NATS-4; docs/delivery.md.
    """

    type = "nats"
    redelivers = True
    guarantee = Guarantee(
        told="nothing (core NATS has no acknowledgement)",
        by_default=Delivery.AT_MOST_ONCE,
        stronger="`jetstream: {stream, durable}`: acknowledged after dispatch, at least once",
        at_best=Delivery.AT_LEAST_ONCE,
    )

    options: NatsOptions

    def __init__(self, options: NatsOptions, context: Context, shared: Any = None) -> None:
        super().__init__(options, context, shared)
        self._stirred = Wakeup(context.clock)
        self._backlog = Backlog(context, self._stirred.set)
        self._connection: NatsConnection | None = None
        self._source: _Source | None = None
        self._listening = False
        self._aborted = False

    @classmethod
    def parse(cls, key: str, text: str) -> NatsOptions:
        """See Processor."""
        return NatsOptions.parse(text)

    async def run(self) -> None:
        """See Processor."""
        connection = self._connection = await connect(self.options, self.context, self._lost)
        source_type = Subscription if self.options.jetstream is None else DurableConsumer
        source = self._source = source_type(self.options, self.context, connection, self._backlog)
        try:
            await answered(self.context, connection.peer, source.listen())
            self._listening = True
            self.context.running(f"subscribed to {source.description} at {connection.peer}")
            await self._hand_on_until_lost(connection)
        except asyncio.CancelledError:
            await self._leave(connection, source)
            raise
        except BaseException:
            await self.close()
            raise

    async def caught_up(self) -> bool:
        """See Processor. Without a connection nothing can be handed on."""
        connection, source = self._connection, self._source
        if connection is None or source is None or connection.cause or not self._listening:
            return True
        return await has_received(self.context, connection.peer, source.received_all())

    def paused(self) -> bool:
        """See Processor."""
        return bool(self._backlog) or (self._source is not None and self._source.withheld)

    async def close(self) -> None:
        """See Processor."""
        connection, source = self._connection, self._source
        self._connection = self._source = None
        self._listening = False
        if source is not None:
            await source.close()
        if connection is not None:
            await connection.close()

    def abort(self) -> None:
        """See Processor."""
        self._aborted = True
        if self._connection is not None:
            self._connection.abort()

    async def _hand_on_until_lost(self, connection: NatsConnection) -> None:
        while not connection.cause:
            await self._stirred.wait()
            self._stirred.clear()
            await self._backlog.empty()
        raise connection.failure

    def _lost(self) -> None:
        """
        The connection is lost. The run goes on while what was received over it still waits for room.
        """
        if self._backlog and self._connection is not None:
            self.context.failing(str(self._connection.failure))
        self._stirred.set()

    async def _leave(self, connection: NatsConnection, source: _Source) -> None:
        """
        Stop receiving. The connection stays for as long as something has to be settled over it.
        """
        if not self._aborted:
            try:
                await answered(self.context, connection.peer, source.leave())
            except GatewayError as error:
                self.context.log.warning("did not leave in an orderly way: %s", error)
        if self._aborted or not source.unsettled:
            await self.close()


class _Source(Protocol):
    """
    What events come from, over one connection.
    """

    @property
    def description(self) -> str:
        """What it listens to, for people."""

    @property
    def unsettled(self) -> int:
        """Events handed on whose outcome the server is to be told."""

    @property
    def withheld(self) -> bool:
        """Whether the server may have more for us and sends nothing before something is settled."""

    async def listen(self) -> None:
        """Return once the server provably sends to us. The caller limits it."""

    async def received_all(self) -> None:
        """Return once all that the server had for us has been handed on, or waits for room. The caller limits it."""

    async def leave(self) -> None:
        """Stop receiving; hand on what fits and give up the rest. The caller limits it."""

    async def close(self) -> None:
        """Tell the server what is still to be told, and end every task."""


class Subscription:
    """
    A plain subscription, by a queue group where the text names one.
    """

    unsettled = 0
    withheld = False

    def __init__(self, options: NatsOptions, context: Context, connection: NatsConnection, backlog: Backlog) -> None:
        self._options = options
        self._now = context.clock.now
        self._connection = connection
        self._backlog = backlog

    @property
    def description(self) -> str:
        """See _Source."""
        queue = self._options.queue
        return f"{self._options.subject} in queue group {queue}" if queue else self._options.subject

    async def listen(self) -> None:
        """See _Source."""
        await self._connection.subscribe(self._options.subject, self._options.queue, self._take)
        await self._connection.round_trip()

    async def received_all(self) -> None:
        """See _Source."""
        await self._connection.round_trip()

    async def leave(self) -> None:
        """See _Source."""
        try:
            await self._connection.unsubscribe()
        finally:
            self._backlog.hand_on_what_fits()
            self._backlog.give_up()

    async def close(self) -> None:
        """See _Source."""

    def _take(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        self._backlog.hand_on(SourceEvent(data, self._now(), subject.decode(errors="replace")))
