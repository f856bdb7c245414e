"""
The server as aio-pika knows servers; another author's client, on another codec's habits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest
from aio_pika.exceptions import (
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
    ProbableAuthenticationError,
)

from simulator.services.embedded.amqp import AmqpServer


def play(story: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(20):
            await story

    asyncio.run(limited())


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[AmqpServer, aio_pika.abc.AbstractConnection]]:
    def later(seconds: float, callback: Any) -> Any:
        return asyncio.get_running_loop().call_later(seconds, callback).cancel

    server = AmqpServer("1.0", users={"guest": "guest"}, vhosts=["/"], later=later)
    port = await server.start()
    connection = await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{port}/")
    try:
        yield server, connection
    finally:
        await connection.close()
        server.stop()


def test_it_declares_binds_publishes_with_confirms_consumes_and_acknowledges() -> None:
    async def story() -> None:
        async with connected() as (server, connection):
            channel = await connection.channel(publisher_confirms=True)
            await channel.set_qos(prefetch_count=1)
            exchange = await channel.declare_exchange("orders", aio_pika.ExchangeType.TOPIC, durable=True)
            queue = await channel.declare_queue("work", durable=True)
            await queue.bind(exchange, "orders.#")
            message = aio_pika.Message(b"1" * 300_000, headers={"a": [1, {"b": True}]}, message_id="7")
            await exchange.publish(message, "orders.new")
            await exchange.publish(aio_pika.Message(b"2"), "orders.new")
            async with queue.iterator() as messages:
                first = await anext(messages)
                assert (len(first.body), first.headers, first.message_id) == (300_000, {"a": [1, {"b": True}]}, "7")
                assert len(server.vhosts["/"].queues["work"]) == 1
                await first.reject(requeue=True)
                again = await anext(messages)
                assert (again.redelivered, again.message_id) == (True, "7")
                await again.ack()
                second = await anext(messages)
                await second.ack()
            assert not len(server.vhosts["/"].queues["work"])
            await queue.unbind(exchange, "orders.#")
            await queue.delete()
            await exchange.delete()

    play(story())


def test_it_is_told_what_is_refused() -> None:
    async def story() -> None:
        async with connected() as (_, connection):
            channel = await connection.channel()
            with pytest.raises(ChannelNotFoundEntity):
                await channel.get_queue("nowhere")
            channel = await connection.channel()
            await channel.declare_exchange("e", "fanout")
            with pytest.raises(ChannelPreconditionFailed):
                await channel.declare_exchange("e", "topic")
            channel = await connection.channel(on_return_raises=True)
            with pytest.raises(DeliveryError):
                await channel.default_exchange.publish(aio_pika.Message(b"x"), "nobody", mandatory=True)

    play(story())


def test_a_wrong_password_is_refused() -> None:
    async def story() -> None:
        async with connected() as (server, _):
            assert server._server is not None
            port = server._server.sockets[0].getsockname()[1]
            with pytest.raises(ProbableAuthenticationError, match="ACCESS_REFUSED"):
                await aio_pika.connect(f"amqp://guest:wrong@127.0.0.1:{port}/")

    play(story())


def test_a_thousand_messages_cross_two_connections_in_order() -> None:
    async def story() -> None:
        async with connected() as (_, connection):
            channel = await connection.channel(publisher_confirms=False)
            queue = await channel.declare_queue(exclusive=True)
            for number in range(1000):
                await channel.default_exchange.publish(aio_pika.Message(str(number).encode()), queue.name)
            seen = []
            async with queue.iterator(no_ack=True) as messages:
                while len(seen) < 1000:
                    seen.append(int((await anext(messages)).body))
            assert seen == list(range(1000))

    play(story())
