"""
From AMQP to HTTP, with pika; each message is acknowledged after its dispatch.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection

from benchmarks.relays.relay import Watcher, event_of, main, say_ready


async def relay(watcher: Watcher, arguments: list[str]) -> None:
    """
    Takes the server's port, the exchange and the routing keys.
    """
    port, exchange, *keys = arguments
    opened = asyncio.get_running_loop().create_future()
    connection = AsyncioConnection(
        pika.ConnectionParameters("127.0.0.1", int(port)), on_open_callback=opened.set_result
    )
    await opened
    async with asyncio.TaskGroup() as group:

        async def one(channel: Any, tag: int, body: bytes) -> None:
            await watcher.dispatch(event_of("amqp", body))
            channel.basic_ack(tag)

        def take(channel: Any, method: Any, properties: Any, body: bytes) -> None:
            group.create_task(one(channel, method.delivery_tag, body))

        def ready(channel: Any) -> None:
            channel.basic_qos(prefetch_count=watcher.in_flight, global_qos=True)
            channel.exchange_declare(exchange, "direct", durable=True)
            for key in keys:
                channel.queue_declare(key, exclusive=True)
                channel.queue_bind(key, exchange, key)
                channel.basic_consume(key, take)
            channel.basic_qos(callback=lambda _: say_ready())

        connection.channel(on_open_callback=ready)
        await asyncio.Event().wait()


if __name__ == "__main__":
    main(relay)
