"""
From NATS to HTTP, with nats-py.
"""

from __future__ import annotations

import asyncio
from typing import Any

import nats

from benchmarks.relays.relay import Watcher, event_of, main, say_ready


async def relay(watcher: Watcher, arguments: list[str]) -> None:
    """
    Takes the server's URL and the subjects.
    """
    server, *subjects = arguments
    client = await nats.connect(server)
    free = asyncio.Semaphore(watcher.in_flight)
    async with asyncio.TaskGroup() as group:

        async def one(data: bytes) -> None:
            try:
                await watcher.dispatch(event_of("nats", data))
            finally:
                free.release()

        async def take(message: Any) -> None:
            await free.acquire()
            group.create_task(one(message.data))

        for subject in subjects:
            await client.subscribe(subject, cb=take)
        await client.flush()
        say_ready()
        await asyncio.Event().wait()


if __name__ == "__main__":
    main(relay)
