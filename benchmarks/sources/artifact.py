"""
Artifact: our S3 server beside the load; one bucket with one listener, whose events have no order among each other.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from benchmarks.load import sink_reaches
from benchmarks.sources.source import Source
from simulator.services.embedded.s3.server import S3Server
from simulator.services.embedded.s3.store import Actor, object_of

_BUCKET, _USER, _PASSWORD = "load", "load-user", "load-password"
_OBJECTS = 100
_AHEAD = 1_000


class ArtifactSource(Source):
    """
    See Source. The same few objects are put again and again.
    """

    type = "artifact"

    def __init__(self, in_flight: int) -> None:
        super().__init__(in_flight)
        self._server = S3Server(lambda: datetime.now(UTC), {_USER: _PASSWORD})
        self._server.store.make_bucket(_BUCKET)

    async def start(self) -> None:
        """See Source."""
        await self._server.start()

    async def stop(self) -> None:
        """See Source."""
        await self._server.stop()

    def texts(self) -> dict[str, str]:
        """See Source."""
        event = "s3:ObjectCreated:Put"
        place = f"s3EventConfig: {{bucket: {_BUCKET}, endpoint: '127.0.0.1:{self._server.port}', event: '{event}'}}"
        keys = "accessKey: {name: store, key: user}\nsecretKey: {name: store, key: password}"
        return {"foo": f"{place}\ninsecure: true\n{keys}"}

    def extension(self) -> str:
        """See Source."""
        return f"{{order: none, limits: {{webhookInFlight: {self.in_flight}}}}}"

    def manifests(self) -> str:
        """See Source."""
        return (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: store}\n"
            f"stringData: {{user: {_USER}, password: {_PASSWORD}}}\n"
        )

    def relay_arguments(self) -> list[str]:
        """See Source."""
        return [str(self._server.port), _BUCKET, _USER, _PASSWORD]

    async def publish(self, count: int) -> None:
        """See Source."""
        while not self._server.listeners:  # noqa: ASYNC110 - the relay's client does not tell when it listens
            await asyncio.sleep(0.01)
        store = self._server.store
        actor = Actor(user=_USER, sender="127.0.0.1", user_agent="load")
        stored = object_of(b"x", {}, store.now())
        for number in range(count):
            store.put(_BUCKET, f"objects/{number % _OBJECTS}", stored, actor)
            if not number % 50:
                await sink_reaches(number - _AHEAD)
                await asyncio.sleep(0)
