"""
A Kubernetes cluster for tests of the gateway's side: an API server whose answers a test can spoil, and a way to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from gateways.addresses import Cluster
from gateways.clock import SystemClock
from gateways.cluster import ApiServer, connect
from simulator.cluster_objects import DEFINITION
from simulator.services.embedded.kubernetes.api import APPLY_PATCH, MERGE_PATCH, Api, Asked
from simulator.services.embedded.kubernetes.listener import Listener

ASKED = Asked(manager="test", force=True)
CLOCK = SystemClock()
GATEWAY = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Gateway", "metadata": {"name": "shop"}, "spec": {}}


def play(story: Callable[[], Awaitable[None]]) -> None:
    """
    Run *story*; nothing may hang.
    """

    async def limited() -> None:
        async with asyncio.timeout(20):
            await story()

    asyncio.run(limited())


class _SpoiltListener(Listener):
    def __init__(self, api: Api) -> None:
        super().__init__(api)
        self.refusals: list[tuple[str, str, int]] = []
        self.held: asyncio.Event | None = None
        self.requests: list[str] = []

    def drop_watches(self) -> None:
        """
        End what clients watch.
        """
        for watch in tuple(self._watches):
            watch.cancel()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        said = f"{request.method} {request.path}"
        self.requests.append(said)
        if self.held is not None and request.method != "GET":
            await self.held.wait()
        for refusal in self.refusals:
            method, part, status = refusal
            if request.method == method and part in request.path:
                self.refusals.remove(refusal)
                return web.json_response({"kind": "Status", "message": "no way", "code": status}, status=status)
        return await super()._answer(request)


class TestCluster:
    """
    One API server.
    """

    __test__ = False

    def __init__(self) -> None:
        self.api = Api()
        self.listener = _SpoiltListener(self.api)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.port}"

    @property
    def requests(self) -> list[str]:
        return self.listener.requests

    def refuse(self, method: str, part: str, status: int, times: int = 1) -> None:
        """
        Answer the next such requests with *status*.
        """
        self.listener.refusals += [(method, part, status)] * times

    def hold(self) -> asyncio.Event:
        """
        Answer no change until what is given is set.
        """
        self.listener.held = asyncio.Event()
        return self.listener.held

    def apply(self, manifest: dict[str, Any], *, how: str = APPLY_PATCH, part: str = "") -> None:
        kind = self.api.kinds.named(manifest["apiVersion"], manifest["kind"])
        assert kind is not None
        namespace = "default" if kind.namespaced else ""
        key = (namespace, manifest["metadata"]["name"])
        self.api.patch(kind, key, manifest, how=how, asked=ASKED, part=part)

    def delete(self, kind_name: str, name: str, api_version: str = "v1") -> None:
        kind = self.api.kinds.named(api_version, kind_name)
        assert kind is not None
        self.api.delete(kind, "default", name, {}, ASKED)

    def config_map(self, name: str, **data: str) -> None:
        self.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})

    def gateway(self, name: str = "shop", **spec: Any) -> None:
        self.apply(DEFINITION)
        self.apply({**GATEWAY, "metadata": {"name": name}, "spec": spec})

    def merge(self, manifest: dict[str, Any], part: str = "") -> None:
        self.apply(manifest, how=MERGE_PATCH, part=part)

    def all_of(self, kind_name: str, api_version: str = "v1") -> list[dict[str, Any]]:
        kind = self.api.kinds.named(api_version, kind_name)
        assert kind is not None
        return [each for _, each in self.api.storage.all_of(kind.collection)]

    def nodes(self) -> dict[str, Any]:
        """
        The entries of the only Gateway.
        """
        (gateway,) = self.all_of("Gateway", "argoproj.io/v1alpha1")
        return dict((gateway.get("status") or {}).get("nodes") or {})

    async def until(self, done: Callable[[], Any]) -> None:
        """
        Wait until *done* holds; it is looked at after each change of an object.
        """
        stirred = asyncio.Event()
        forget = self.api.storage.listen(stirred.set)
        try:
            while not done():
                stirred.clear()
                await stirred.wait()
        finally:
            forget()


@asynccontextmanager
async def a_cluster() -> AsyncIterator[TestCluster]:
    cluster = TestCluster()
    await cluster.listener.start()
    try:
        yield cluster
    finally:
        await cluster.listener.stop()


@asynccontextmanager
async def server_of(cluster: TestCluster, *, limit_s: float = 5.0) -> AsyncIterator[ApiServer]:
    server = await connect(Cluster(cluster.url), clock=CLOCK, limit_s=limit_s)
    try:
        yield server
    finally:
        await server.close()
