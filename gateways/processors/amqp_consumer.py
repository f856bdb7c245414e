"""
AmqpConsumer: messages of one queue, each acknowledged once it is known what became of its event.

The server sends no more than the prefetch before something is acknowledged, so what is in flight is bounded here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from pika.channel import Channel

from gateways.clock import Hold, Wakeup, end
from gateways.errors import GatewayError
from gateways.processor import Context
from gateways.processors.amqp_connection import AmqpConnection, taking
from gateways.processors.amqp_identities import Expected, Identities, digest_of, id_of
from gateways.processors.amqp_options import AmqpOptions
from gateways.source_event import Certainty, DispatchResult, Settlement, SourceEvent

_NO_ROOM = Settlement((DispatchResult("", Certainty.REFUSED, 0, "the gateway stopped before it had room"),))


class _Delivery(NamedTuple):
    """
    What may have to be recognised when it comes again.
    """

    event_id: str
    exchange: str
    properties: Any
    event: SourceEvent

    @property
    def digest(self) -> bytes:
        return digest_of(self.exchange, self.event.subject, self.properties, self.event.payload)


class AmqpConsumer:
    """
    One consumer on one channel.

    Args:
        options: What it consumes.
        context: The configuration's.
        connection: Open.
        identities: Ids of what will come again.
    """

    def __init__(
        self, options: AmqpOptions, context: Context, connection: AmqpConnection, identities: Identities
    ) -> None:
        self._options = options
        self._context = context
        self._connection = connection
        self._lost = identities.lost(context.configuration)
        self._given_back = Expected(context.limits.remembered)
        self._prefetch = options.prefetch or context.limits.waiting
        self._channel: Channel | None = None
        self._tag = ""
        self._unsettled: dict[int, _Delivery] = {}
        self._waiting: deque[SourceEvent] = deque()
        self._stirred = Wakeup(context.clock)
        self._refused = Wakeup(context.clock)
        self._redelivery: Hold | None = None
        self._following: asyncio.Task[None] | None = None
        self._leaving = False

    @property
    def description(self) -> str:
        """
        What it listens to, for people.
        """
        options = self._options
        bound = f"{options.exchange_type} exchange {options.exchange}"
        key = f" by {options.routing_key}" if options.routing_key else ""
        queue = f"queue {options.queue}" if options.queue else "a queue of its own"
        return f"{queue} bound to {bound}{key}"

    @property
    def unsettled(self) -> int:
        """
        Events whose outcome the server is to be told.
        """
        return len(self._unsettled)

    @property
    def paused(self) -> bool:
        """
        Whether the server may have more, and sends it once there is room, or something is acknowledged.
        """
        return bool(self._waiting) or len(self._unsettled) >= self._prefetch

    async def listen(self) -> None:
        """
        Return once the server provably sends to us. The caller limits it.

        Source: R-AMQP-1, replaced by G-AMQP-1 where it acknowledges.
        """
        options, connection = self._options, self._connection
        there = bool(options.queue) and await connection.has_queue(options.queue)
        channel = self._channel = await connection.channel()
        await connection.call(
            channel.exchange_declare, options.exchange, exchange_type=options.exchange_type, durable=True
        )
        queue = options.queue
        if not there:
            # A queue that is there is used as it is: it may have arguments that are its owner's business.
            declared = await connection.call(channel.queue_declare, queue, durable=options.durable, exclusive=not queue)
            queue = declared.method.queue
        asked = {**options.headers, "x-match": options.headers_match} if options.exchange_type == "headers" else None
        await connection.call(channel.queue_bind, queue, options.exchange, options.routing_key, arguments=asked)
        await self._round_trip()
        consuming = await connection.call(partial(channel.basic_consume, queue, taking(self._take)), auto_ack=False)
        self._tag = consuming.method.consumer_tag
        self._following = asyncio.create_task(self._follow_refusals(), name=f"redeliveries of {connection.peer}")
        self._context.clock.awake(self._following)

    async def hand_on_until_lost(self) -> None:
        """
        Hand on what found no room when it came, for as long as there is a connection; raises its failure then.
        """
        while not self._connection.cause or self._waiting:
            while self._waiting:
                await self._context.room()
                self._hand_on_what_fits()
            if not self._connection.cause:
                await self._stirred.wait()
                self._stirred.clear()
        raise self._connection.failure

    def stir(self) -> None:
        """
        The connection is lost.
        """
        self._stirred.set()

    async def received_all(self) -> None:
        """
        Return once all that the server had for us has been handed on, or waits for room. The caller limits it.
        """
        await self._round_trip()

    async def leave(self) -> None:
        """
        Stop receiving; hand on what fits and give back the rest. The caller limits it.
        """
        self._leaving = True
        channel = self._channel
        try:
            if channel is not None and self._tag and channel.is_open:
                await self._connection.call(channel.basic_cancel, self._tag)
        finally:
            self._hand_on_what_fits()
            rest, self._waiting = tuple(self._waiting), deque()
            for event in rest:
                assert event.settle is not None
                event.settle(_NO_ROOM)

    async def close(self) -> None:
        """
        See that the server has heard what was said; what it was not told is recognised when it comes again.
        """
        self._leaving = True
        if self._following is not None:
            await end(self._context.clock, self._following)
        if self._channel is not None and self._channel.is_open and not self._connection.cause:
            limit_s, peer = self._context.limits.connect_s, self._connection.peer
            # What the server was not told it sends again.
            with suppress(TimeoutError, GatewayError):
                await self._context.clock.limit(limit_s, self._round_trip(), peer=peer)
        self._end_redelivery()
        for delivery in self._unsettled.values():
            _expect(self._lost, delivery)
        self._unsettled.clear()
        self._given_back.move_to(self._lost)

    # Receiving.

    async def _round_trip(self) -> None:
        """
        Say how much may be in flight, which the server answers behind all that it sent before.
        """
        assert self._channel is not None
        await self._connection.call(self._channel.basic_qos, prefetch_count=self._prefetch)

    def _take(self, _: Channel, method: Any, properties: Any, body: bytes) -> None:
        event_id = self._id_of(method, properties, body)
        tag: int = method.delivery_tag
        event = SourceEvent(
            body,
            _time_of(properties) or self._context.clock.now(),
            method.routing_key,
            properties.content_type or "",
            id=event_id,
            settle=partial(self._settled, tag),
        )
        self._unsettled[tag] = _Delivery(event_id, method.exchange, properties, event)
        if self._waiting or not self._context.emit(event):
            self._waiting.append(event)
            self._stirred.set()

    def _id_of(self, method: Any, properties: Any, body: bytes) -> str:
        if not method.redelivered:
            self._lost.clear()
            if not properties.message_id:
                return self._context.chance.new_id()
        digest = digest_of(method.exchange, method.routing_key, properties, body)
        if properties.message_id:
            return id_of(properties.message_id, digest)
        return self._given_back.take(digest) or self._lost.take(digest) or self._context.chance.new_id()

    def _hand_on_what_fits(self) -> None:
        while self._waiting and self._context.emit(self._waiting[0]):
            self._waiting.popleft()

    # Acknowledging.

    def _settled(self, tag: int, settlement: Settlement) -> None:
        delivery, channel = self._unsettled.pop(tag, None), self._channel
        if delivery is None or channel is None or self._connection.cause or not channel.is_open:
            if delivery is not None:
                _expect(self._lost, delivery)
            return
        if settlement.accepted:
            channel.basic_ack(tag)
            return
        _expect(self._given_back, delivery)
        channel.basic_nack(tag, requeue=True)
        if not self._leaving:
            if self._redelivery is None:
                self._redelivery = self._context.clock.work(self._connection.peer)
            self._refused.set()

    async def _follow_refusals(self) -> None:
        """
        Time is held from a refusal on until the message has come again, or the server has shown that it will not.
        """
        try:
            while True:
                await self._refused.wait()
                self._refused.clear()
                limit_s, peer = self._context.limits.connect_s, self._connection.peer
                try:
                    await self._context.clock.limit(limit_s, self._round_trip(), peer=peer)
                except TimeoutError:
                    self._context.log.warning("the server does not answer; what it was not told it sends again")
                self._end_redelivery()
        except GatewayError:
            pass  # the connection is lost, and the run ends with the cause
        finally:
            self._end_redelivery()

    def _end_redelivery(self) -> None:
        if self._redelivery is not None:
            self._redelivery.close()
            self._redelivery = None


def _expect(expected: Expected, delivery: _Delivery) -> None:
    if not delivery.properties.message_id:
        expected.add(delivery.digest, delivery.event_id)


def _time_of(properties: Any) -> datetime | None:
    """
    The instant that a message says it is of; None where it says none.
    """
    seconds = properties.timestamp
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (ValueError, OverflowError, OSError):
        return None
