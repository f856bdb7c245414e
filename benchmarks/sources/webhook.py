"""
Webhook: as many senders as events are to be in flight, each with a connection of its own.
"""

from __future__ import annotations

from benchmarks.load import post_all
from benchmarks.sources.source import Source, free_port


class WebhookSource(Source):
    """See Source."""

    type = "webhook"

    def __init__(self, in_flight: int) -> None:
        super().__init__(in_flight)
        self._port = free_port()

    def texts(self) -> dict[str, str]:
        """See Source."""
        return {"foo": f"endpoint: /foo\nmethod: POST\nport: '{self._port}'"}

    def relay_arguments(self) -> list[str]:
        """See Source."""
        return [str(self._port)]

    async def publish(self, count: int) -> None:
        """See Source."""
        await post_all(self._port, "/foo", count, self.in_flight)
