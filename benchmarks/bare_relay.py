"""
The rival of the throughput benchmarks: the least that an honest gateway must do, with well-known libraries.

It reads the event, makes one CloudEvent, POSTs it with aiohttp, waits for the 2xx, and only then answers.
`python -m benchmarks.bare_relay webhook PORT WATCHER_URL`, or `nats SERVER_URL WATCHER_URL IN_FLIGHT SUBJECT...`, or
`amqp PORT WATCHER_URL IN_FLIGHT QUEUE...`
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid

import aiohttp
import uvloop
from aiohttp import web


def event_of(kind: str, body: bytes) -> bytes:
    """
    One CloudEvent in structured mode.
    """
    return json.dumps(
        {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": "gw/foo",
            "type": kind,
            "datacontenttype": "application/json",
            "time": "2026-01-01T00:00:00Z",
            "data": json.loads(body),
        }
    ).encode()


async def dispatch(session: aiohttp.ClientSession, watcher: str, event: bytes) -> None:
    """
    POST and wait for the answer.
    """
    async with session.post(watcher, data=event, headers={"content-type": "application/cloudevents+json"}) as answer:
        await answer.read()


async def relay_webhook(port: int, watcher: str) -> None:
    """
    From HTTP to HTTP.
    """
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def take(request: web.Request) -> web.Response:
            await dispatch(session, watcher, event_of("webhook", await request.read()))
            return web.Response(status=202)

        app = web.Application()
        app.router.add_post("/foo", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        print("ready", flush=True)
        await asyncio.Event().wait()


async def relay_nats(server: str, watcher: str, in_flight: int, subjects: list[str]) -> None:
    """
    From NATS to HTTP, so many events side by side.
    """
    import nats  # noqa: PLC0415 - only this relay needs it

    client = await nats.connect(server)
    free = asyncio.Semaphore(in_flight)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, asyncio.TaskGroup() as group:

        async def one(data: bytes) -> None:
            try:
                await dispatch(session, watcher, event_of("nats", data))
            finally:
                free.release()

        async def take(message: nats.aio.msg.Msg) -> None:
            await free.acquire()
            group.create_task(one(message.data))

        for subject in subjects:
            await client.subscribe(subject, cb=take)
        await client.flush()
        print("ready", flush=True)
        await asyncio.Event().wait()


async def relay_amqp(port: int, watcher: str, in_flight: int, queues: list[str]) -> None:
    """
    From AMQP to HTTP, so many events side by side, each acknowledged after its dispatch.
    """
    import pika  # noqa: PLC0415 - only this relay needs it
    from pika.adapters.asyncio_connection import AsyncioConnection  # noqa: PLC0415 - the same

    opened = asyncio.get_running_loop().create_future()
    connection = AsyncioConnection(pika.ConnectionParameters("127.0.0.1", port), on_open_callback=opened.set_result)
    await opened
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, asyncio.TaskGroup() as group:

        async def one(channel: pika.channel.Channel, tag: int, body: bytes) -> None:
            await dispatch(session, watcher, event_of("amqp", body))
            channel.basic_ack(tag)

        def ready(channel: pika.channel.Channel) -> None:
            channel.basic_qos(prefetch_count=in_flight, global_qos=True)
            for queue in queues:
                channel.queue_declare(queue, exclusive=True)
                channel.basic_consume(
                    queue, lambda c, method, _, body: group.create_task(one(c, method.delivery_tag, body))
                )
            channel.basic_qos(callback=lambda _: print("ready", flush=True))

        connection.channel(on_open_callback=ready)
        await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[1] == "webhook":
        uvloop.run(relay_webhook(int(sys.argv[2]), sys.argv[3]))
    elif sys.argv[1] == "amqp":
        uvloop.run(relay_amqp(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5:]))
    else:
        uvloop.run(relay_nats(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5:]))
