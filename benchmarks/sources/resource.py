"""
Resource: our Kubernetes API server beside the load; one watch, whose events have no order among each other.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.load import sink_reaches
from benchmarks.sources.source import Source
from simulator.services.embedded.kubernetes.api import Api, Asked
from simulator.services.embedded.kubernetes.listener import Listener

_NAMESPACE = "default"
_OBJECTS = 100
_AHEAD = 1_000


class ResourceSource(Source):
    """
    See Source. The same few objects are changed again and again; deleted first, so that nothing is there at the start.
    """

    type = "resource"

    def __init__(self, in_flight: int) -> None:
        super().__init__(in_flight)
        self._api = Api(lambda: datetime.now(UTC))
        self._listener = Listener(self._api)

    async def start(self) -> None:
        """See Source."""
        await self._listener.start()

    async def stop(self) -> None:
        """See Source."""
        await self._listener.stop()

    def texts(self) -> dict[str, str]:
        """See Source."""
        return {"foo": f"namespace: {_NAMESPACE}\nversion: v1\nkind: ConfigMap"}

    def extension(self) -> str:
        """See Source."""
        return f"{{order: none, limits: {{webhookInFlight: {self.in_flight}}}}}"

    def gateway_arguments(self, folder: Path) -> list[str]:
        """See Source."""
        file = folder / "kubeconfig"
        file.write_text(
            "apiVersion: v1\nkind: Config\ncurrent-context: load\n"
            "contexts: [{name: load, context: {cluster: load, user: load}}]\nusers: [{name: load, user: {}}]\n"
            f"clusters: [{{name: load, cluster: {{server: 'http://127.0.0.1:{self._listener.port}'}}}}]\n"
        )
        return ["--kubeconfig", str(file)]

    def relay_arguments(self) -> list[str]:
        """See Source."""
        return [f"http://127.0.0.1:{self._listener.port}", _NAMESPACE]

    async def publish(self, count: int) -> None:
        """See Source. Straight into what the server stores: the load is not what is measured."""
        kind = self._api.kinds.named("v1", "ConfigMap")
        assert kind is not None
        for key, _ in self._api.storage.all_of(kind.collection, _NAMESPACE):
            self._api.storage.remove(kind.collection, key)
        objects = []
        for number in range(min(count, _OBJECTS)):
            manifest = {"metadata": {"name": f"c-{number}"}, "data": {"text": "x" * 100}}
            objects.append(self._api.create(kind, _NAMESPACE, manifest, Asked()))
        for number in range(len(objects), count):
            an_object = objects[number % _OBJECTS]
            self._api.storage.put(kind.collection, (_NAMESPACE, an_object["metadata"]["name"]), an_object)
            if not number % 50:
                await sink_reaches(number - _AHEAD)
                await asyncio.sleep(0)
