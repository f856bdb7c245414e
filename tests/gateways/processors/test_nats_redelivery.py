from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, cast

from gateways.processors.backlog import Backlog
from gateways.processors.nats_connection import NatsConnection
from gateways.processors.nats_jetstream import DurableConsumer
from gateways.processors.nats_options import NatsOptions
from simulator.virtual_clock import VirtualClock
from tests.gateways.processors.nats_orders import TEXT, orders, publish, settle, unacknowledged
from tests.gateways.processors.nats_runs import context_for, running
from tests.gateways.processors.nats_server import PEER
from tests.gateways.processors.runs import play
from tests.gateways.processors.surroundings import REFUSED, FakeContext


def virtual() -> VirtualClock:
    return VirtualClock(datetime(2018, 10, 7, 12, tzinfo=UTC))


def test_time_is_held_from_a_refusal_until_the_message_has_come_again() -> None:
    async def story() -> None:
        clock = virtual()
        async with orders() as server, running(TEXT, context_for(server, clock=clock)) as run:
            await run.listens()
            await publish(server, b"1")
            assert await run.processor.caught_up()
            assert clock.active == 0
            settle(run.context, 0, 1, REFUSED)
            assert clock.active > 0
            await clock.still()
            assert run.context.payloads == [b"1", b"1"]
            settle(run.context, 1, 2)
            await clock.still()
            await unacknowledged(server, 0)

    play(story())


def test_time_is_free_again_where_a_refused_message_does_not_come_again() -> None:
    async def story() -> None:
        clock = virtual()
        async with orders() as server:
            config = {
                "durable_name": "gateway",
                "ack_policy": "explicit",
                "filter_subject": "orders.>",
                "max_deliver": 1,
            }
            await server.api("CONSUMER.DURABLE.CREATE.ORDERS.gateway", stream_name="ORDERS", config=config)
            async with running(TEXT, context_for(server, clock=clock)) as run:
                await run.listens()
                await publish(server, b"1")
                assert await run.processor.caught_up()
                settle(run.context, 0, 1, REFUSED)
                await clock.still()
                assert run.context.payloads == [b"1"]

    play(story())


def test_time_is_free_again_where_the_other_gateway_gets_the_refused_message() -> None:
    async def story() -> None:
        clock = virtual()
        async with (
            orders() as server,
            running(TEXT, context_for(server, clock=clock)) as one,
            running(TEXT, context_for(server, clock=clock)) as two,
        ):
            await one.listens()
            await two.listens()
            for _ in range(20):
                await publish(server, b"1")
                assert await one.processor.caught_up()
                assert await two.processor.caught_up()
                for run in (one, two):
                    settle(run.context, 0, 1, REFUSED)
                    run.context.events.clear()
                await clock.still()
                assert len(one.context.events) + len(two.context.events) == 1
                for run in (one, two):
                    settle(run.context, 0, 1)
                    run.context.events.clear()
                await clock.still()

    play(story())


def test_time_is_free_again_when_the_connection_is_lost_after_a_refusal() -> None:
    async def story() -> None:
        clock = virtual()
        async with orders() as server, running(TEXT, context_for(server, clock=clock)) as run:
            await run.listens()
            await publish(server, b"1")
            assert await run.processor.caught_up()
            settle(run.context, 0, 1, REFUSED)
            await server.process.kill()
            await run.failure()
            await clock.still()

    play(story())


def test_an_hour_of_virtual_time_passes_with_an_event_in_flight() -> None:
    async def story() -> None:
        clock = virtual()
        async with orders() as server, running(TEXT, context_for(server, clock=clock)) as run:
            await run.listens()
            await publish(server, b"1")
            assert await run.processor.caught_up()
            await clock.advance(3600)
            assert run.context.payloads == [b"1"]

    play(story())


class SlowServer:
    """
    The connection to a server that takes its time with what it is told.
    """

    peer, cause = PEER, ""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.probes: list[str] = []
        self.take: Any = None
        self._probed = asyncio.Event()

    def new_inbox(self) -> str:
        return "inbox"

    async def subscribe(self, subject: str, queue: str, take: Any) -> None:
        self.take = take

    async def round_trip(self) -> None: ...

    async def request(self, subject: str, data: bytes) -> bytes:
        self.said.append(data)
        config = {"ack_policy": "explicit", "filter_subject": "orders.>"}
        return json.dumps({"config": config}).encode() if subject.startswith("$JS.API") else b""

    async def publish(self, subject: str, data: bytes, reply: str = "") -> None:
        self.said.append(data)
        if b'"no_wait": true' in data:
            self.probes.append(reply)
            self._probed.set()

    async def until(self, future: asyncio.Future[Any]) -> Any:
        return await future

    async def next_probe(self) -> bytes:
        """
        The subject to which the next question whether anything is left wants to be answered.
        """
        while not self.probes:
            self._probed.clear()
            await self._probed.wait()
        return self.probes.pop(0).encode()


def test_a_redelivery_that_takes_its_time_holds_time_until_it_is_here() -> None:
    async def story() -> None:
        clock, server = virtual(), SlowServer()
        context = FakeContext(clock=clock)
        backlog = Backlog(context, lambda: None)
        consumer = DurableConsumer(NatsOptions.parse(TEXT), context, cast(NatsConnection, server), backlog)
        await consumer.listen()
        server.take(b"orders.new", b"$JS.ACK.ORDERS.gateway.1.1.1.1538913600000000000.0", b"1", None)
        settle(context, 0, 1, REFUSED)
        server.take(await server.next_probe(), b"", b"", b"NATS/1.0 408 Requests Pending\r\n\r\n")
        await server.next_probe()
        assert server.said.index(b"-NAK") < server.said.index(b'{"batch": 1, "no_wait": true}')
        assert clock.active > 0
        server.take(b"orders.new", b"$JS.ACK.ORDERS.gateway.2.1.2.1538913600000000000.0", b"1", None)
        server.take(await server.next_probe(), b"", b"", b"NATS/1.0 404 No Messages\r\n\r\n")
        await clock.still()
        assert context.payloads == [b"1", b"1"]
        await consumer.close()

    play(story())
