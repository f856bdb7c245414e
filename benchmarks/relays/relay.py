"""
Relay: what all bare relays share: the CloudEvent, the POST, and the way from a client's thread into the event loop.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import uvloop

_WAITING_MAX = 1_024


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


class Watcher:
    """
    Where events go.

    Args:
        url: Of the watcher.
        in_flight: So many requests at a time are made of what is handed over.
    """

    def __init__(self, url: str, in_flight: int, session: aiohttp.ClientSession) -> None:
        self.in_flight = in_flight
        self._url = url
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._places = threading.Semaphore(_WAITING_MAX)
        self._queue: asyncio.Queue[tuple[bytes, Callable[[], None] | None]] = asyncio.Queue()

    async def dispatch(self, event: bytes) -> None:
        """
        POST and wait for the answer.
        """
        headers = {"content-type": "application/cloudevents+json"}
        async with self._session.post(self._url, data=event, headers=headers) as answer:
            await answer.read()

    def hand_over(self, body: bytes, done: Callable[[], None] | None = None) -> None:
        """
        Called in a client's thread: have *body* dispatched, then call *done*. Waits where too many wait already.
        """
        self._places.acquire()
        self._loop.call_soon_threadsafe(self._queue.put_nowait, (body, done))

    async def dispatch_handed_over(self, kind: str) -> None:
        """
        Dispatch for ever what is handed over, so many side by side.
        """
        async with asyncio.TaskGroup() as group:
            for _ in range(self.in_flight):
                group.create_task(self._work(kind))

    async def _work(self, kind: str) -> None:
        while True:
            body, done = await self._queue.get()
            self._places.release()
            await self.dispatch(event_of(kind, body))
            if done is not None:
                done()


def in_thread(work: Callable[[], None]) -> None:
    """
    Run *work* in a thread that ends with the process.
    """
    threading.Thread(target=work, daemon=True).start()


def say_ready() -> None:
    """
    Say that events are taken from now on.
    """
    print("ready", flush=True)


def main(relay: Callable[[Watcher, list[str]], Coroutine[Any, Any, None]]) -> None:
    """
    Run *relay* with this process's arguments.
    """

    async def run() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await relay(Watcher(sys.argv[1], int(sys.argv[2]), session), sys.argv[3:])

    uvloop.run(run())
