"""
NATS: a nats-server, and one subject for each event in flight.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from benchmarks.sources.nats_server import nats_server, publish_all
from benchmarks.sources.source import Source, free_port


class NatsSource(Source):
    """See Source."""

    type = "nats"

    def __init__(self, in_flight: int) -> None:
        super().__init__(in_flight)
        self._port = free_port()
        self._stack = AsyncExitStack()
        self._subjects = [f"s{number}" for number in range(in_flight)]

    async def start(self) -> None:
        """See Source."""
        await self._stack.enter_async_context(nats_server(f"listen: 127.0.0.1:{self._port}"))

    async def stop(self) -> None:
        """See Source."""
        await self._stack.aclose()

    def texts(self) -> dict[str, str]:
        """See Source."""
        url = f"nats://127.0.0.1:{self._port}"
        return {name: f"url: {url}\nattributes: {{subject: {name}}}" for name in self._subjects}

    def relay_arguments(self) -> list[str]:
        """See Source."""
        return [f"nats://127.0.0.1:{self._port}", *self._subjects]

    async def publish(self, count: int) -> None:
        """See Source."""
        await publish_all(self._port, self._subjects, count)
