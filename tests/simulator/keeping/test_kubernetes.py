"""
A kept API server beyond what its service shows: what is removed between two scenarios.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simulator.installing.binaries import find
from simulator.keeping.kubernetes import KeptKubernetes, client_context
from simulator.services.local.kubernetes_client import KubernetesClient, Refused

_FOUND = find("kubernetes")
PROGRAMS = _FOUND.programs if _FOUND is not None else {}
pytestmark = pytest.mark.skipif(
    not PROGRAMS, reason="kube-apiserver is not on this machine: gatesim env install kubernetes"
)
NO_CONTROLLERS = "namespaces are deleted by kube-controller-manager, which is not on this machine"
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}}


@asynccontextmanager
async def kept() -> AsyncIterator[tuple[KeptKubernetes, KubernetesClient]]:
    deaths: list[str] = []
    server = KeptKubernetes({}, deaths.append)
    try:
        await server.start()
        access = server.access
        context = client_context(access["certificate"], access["key"])
        client = KubernetesClient(f"https://127.0.0.1:{access['port']}", context)
        try:
            yield server, client
        finally:
            await client.close()
    finally:
        await server.close()
    assert deaths == []


def test_what_came_since_is_removed_and_what_was_there_is_watched_over() -> None:
    async def story() -> None:
        async with kept() as (server, client):
            await server.command("begin", None)
            await client.apply(CONFIG_MAP)
            await server.kill()
            await server.start()
            assert (await client.ask("GET", "/api/v1/namespaces/shop/configmaps/a"))["kind"] == "ConfigMap"
            assert await server.command("clean", None) is True
            for path in ("/api/v1/namespaces/shop", "/api/v1/namespaces/shop/configmaps/a"):
                with pytest.raises(Refused, match="not found"):
                    await client.ask("GET", path)
            await client.apply({**NAMESPACE, "metadata": {"name": "default", "labels": {"changed": "yes"}}})
            assert await server.command("clean", None) is False

    asyncio.run(story())


def test_a_server_that_is_wiped_starts_as_new_at_the_same_port() -> None:
    async def story() -> None:
        async with kept() as (server, client):
            access = server.access
            await client.apply(NAMESPACE)
            await server.wipe()
            assert not server.running
            await server.start()
            assert server.access == access
            with pytest.raises(Refused, match="not found"):
                await client.ask("GET", "/api/v1/namespaces/shop")

    asyncio.run(story())


@pytest.mark.skipif("kube-controller-manager" not in PROGRAMS, reason=NO_CONTROLLERS)
def test_a_namespace_that_is_deleted_is_gone_with_all_that_was_in_it() -> None:
    async def story() -> None:
        async with kept() as (_, client):
            await client.apply(CONFIG_MAP)
            await client.delete("v1", "Namespace", "", "shop")
            with pytest.raises(Refused, match="not found"):
                await client.ask("GET", "/api/v1/namespaces/shop/configmaps/a")

    asyncio.run(story())
