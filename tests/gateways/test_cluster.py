"""
The API server of a cluster as the gateway asks it, and the way there.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from gateways import cluster as cluster_module
from gateways.addresses import Cluster
from gateways.cluster import Expired, Refused, connect
from gateways.errors import ConfigurationError, SourceUnavailable
from tests.gateways.clusters import CLOCK, a_cluster, play, server_of

MAPS = "/api/v1/namespaces/default/configmaps"


def test_what_is_not_there_is_none_and_what_is_refused_says_so() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, server_of(cluster) as server:
            assert await server.get(f"{MAPS}/nowhere") is None
            cluster.refuse("GET", "configmaps", 403)
            with pytest.raises(Refused, match="answered 403: no way") as refused:
                await server.get(f"{MAPS}/settings")
            assert refused.value.status == 403

    play(story)


def test_a_list_and_a_watch_from_its_version_on_miss_nothing() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, server_of(cluster) as server:
            cluster.config_map("a", x="1")
            listing = await server.list(MAPS)
            assert [each["metadata"]["name"] for each in listing.objects] == ["a"]
            cluster.config_map("b", x="1")
            watch = await server.watch(MAPS, (), listing.version)
            told = await watch.next()
            assert told is not None
            assert (told[0], told[1]["metadata"]["name"]) == ("ADDED", "b")
            assert str(await server.version(MAPS)) == told[1]["metadata"]["resourceVersion"]
            watch.close()

    play(story)


def test_a_watch_from_too_far_back_is_expired() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, server_of(cluster) as server:
            cluster.api.storage.expire()
            watch = await server.watch(MAPS, (), "1")
            with pytest.raises(Expired):
                await watch.next()
            watch.close()
            cluster.refuse("GET", "configmaps", 410)
            with pytest.raises(Expired):
                await server.list(MAPS)

    play(story)


def test_a_change_gives_the_object_as_it_is_then() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, server_of(cluster) as server:
            cluster.config_map("a", x="1", y="2")
            patch = {"data": {"x": None, "z": "3"}}
            changed = await server.change("PATCH", f"{MAPS}/a", patch, "application/merge-patch+json")
            assert changed["data"] == {"y": "2", "z": "3"}

    play(story)


def test_a_server_that_says_nothing_is_given_up_after_the_limit() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, server_of(cluster, limit_s=0.05) as server:
            held = cluster.hold()
            with pytest.raises(SourceUnavailable, match=r"no answer within 0\.05 s"):
                await server.change("POST", MAPS, {"metadata": {"name": "a"}})
            held.set()

    play(story)


def test_a_kubeconfig_says_which_namespace_is_ours(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    context = {"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "argo-events"}}
    clusters = [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}]
    whole = {"clusters": clusters, "contexts": [context], "users": [{"name": "u", "user": {}}], "current-context": "x"}
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **whole}))

    async def story() -> None:
        server = await connect(Cluster(kubeconfig=str(file)), clock=CLOCK, limit_s=1)
        assert (server.namespace, server.peer) == ("argo-events", "127.0.0.1:1")
        with pytest.raises(SourceUnavailable, match="1:1: connection refused"):
            await server.get(MAPS)
        await server.close()

    play(story)


def test_a_pod_reads_its_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("token", "a-token"), ("ca.crt", "x"), ("namespace", "argo-events\n")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(cluster_module, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    made: list[Any] = []
    monkeypatch.setattr(cluster_module.client, "ApiClient", lambda settings: made.append(settings) or _Client(settings))

    server = asyncio.run(connect(Cluster(in_cluster=True), clock=CLOCK, limit_s=1))
    assert (server.namespace, server.peer) == ("argo-events", "10.0.0.1:443")
    assert made[0].api_key == {"BearerToken": "bearer a-token"}


class _Client:
    def __init__(self, settings: Any) -> None:
        self.configuration = settings


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        (Cluster(in_cluster=True), "this is no pod with a service account"),
        (Cluster(kubeconfig="/nowhere"), "/nowhere"),
    ],
)
def test_where_nothing_leads_to_a_cluster_that_is_said(
    cluster: Cluster, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConfigurationError, match=f"no way to the cluster is known: {said}"):
        asyncio.run(connect(cluster, clock=CLOCK, limit_s=1))
