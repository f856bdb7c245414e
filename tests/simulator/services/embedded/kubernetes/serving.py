"""
An API server in a thread of its own, for clients that block.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from simulator.services.embedded.kubernetes.api import Api
from simulator.services.embedded.kubernetes.listener import Hook, Listener


class Server:
    """
    What runs.
    """

    def __init__(self, listener: Listener, api: Api, loop: asyncio.AbstractEventLoop) -> None:
        self.api = api
        self.url = f"http://127.0.0.1:{listener.port}"
        self._loop = loop

    def expire(self) -> None:
        """
        Make every version up to now too old to watch from.
        """

        async def expire() -> None:
            self.api.storage.expire()

        asyncio.run_coroutine_threadsafe(expire(), self._loop).result()


@contextmanager
def serving(hook: Hook = lambda verb: None) -> Iterator[Server]:
    ready: list[Server] = []
    up, down = threading.Event(), asyncio.Event()

    async def life() -> None:
        api = Api()
        listener = Listener(api, hook=hook)
        await listener.start()
        ready.append(Server(listener, api, asyncio.get_running_loop()))
        up.set()
        try:
            await down.wait()
        finally:
            await listener.stop()

    thread = threading.Thread(target=lambda: asyncio.run(life()))
    thread.start()
    up.wait()
    try:
        yield ready[0]
    finally:
        ready[0]._loop.call_soon_threadsafe(down.set)
        thread.join()
