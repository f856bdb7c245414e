"""
Our S3 server in a loop of its own thread, for clients that block.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from simulator.services.embedded.s3.server import S3Server


class Running:
    """
    One server.
    """

    def __init__(self, server: S3Server, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.port = server.port
        self._loop = loop

    def call(self, work: Callable[[], Any]) -> Any:
        """
        Run *work* in the server's loop.
        """

        async def done() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(10)


@contextmanager
def s3_server(**more: Any) -> Iterator[Running]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = S3Server(lambda: datetime.now(UTC), more.pop("users", {"me": "secret"}), **more)
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
        yield Running(server, loop)
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
