"""
A ConfigMap that is watched in a cluster, as a gateway takes it in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateways.chance import Chance
from gateways.cluster import Watch
from gateways.cluster_source import ClusterSource
from gateways.configmap import Data
from gateways.limits import Retry
from tests.gateways.clusters import CLOCK, TestCluster, a_cluster, play, server_of

RETRY = Retry(backoff_s=0.01, backoff_s_max=0.02, jitter=0)


class Reader:
    """
    What a gateway would be given.
    """

    def __init__(self) -> None:
        self.source: ClusterSource
        self.reports: list[str] = []
        self.seen: list[Data | None] = []
        self._more = asyncio.Event()

    def report(self, text: str) -> None:
        self.reports.append(text)
        self._more.set()

    async def told(self, text: str) -> None:
        while not any(text in report for report in self.reports):
            self._more.clear()
            await self._more.wait()

    async def read(self) -> None:
        async for data in self.source.changes():
            self.seen.append(data)
            self._more.set()

    async def until(self, count: int) -> list[Data | None]:
        while len(self.seen) < count:
            self._more.clear()
            await self._more.wait()
        return self.seen


@asynccontextmanager
async def reading(cluster: TestCluster, name: str = "settings") -> AsyncIterator[Reader]:
    reader = Reader()
    async with server_of(cluster) as server:
        reader.source = ClusterSource(
            server, "default", name, clock=CLOCK, retry=RETRY, chance=Chance(0), report=reader.report
        )
        task = asyncio.create_task(reader.read())
        try:
            yield reader
        finally:
            task.cancel()
            await asyncio.wait({task})


def test_what_is_there_comes_first_and_then_every_change_of_it_alone() -> None:
    async def story() -> None:
        async with a_cluster() as cluster:
            cluster.config_map("settings", a="1")
            async with reading(cluster) as reader:
                await reader.until(1)
                cluster.config_map("another", a="9")
                cluster.config_map("settings", a="2", b="3")
                cluster.config_map("settings")
                cluster.delete("ConfigMap", "settings")
                cluster.config_map("settings", c="4")
                assert await reader.until(5) == [{"a": "1"}, {"a": "2", "b": "3"}, {}, None, {"c": "4"}]

    play(story)


def test_without_the_configmap_there_is_none_and_a_change_that_changes_no_data_is_none() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, reading(cluster) as reader:
            assert await reader.until(1) == [None]
            cluster.config_map("settings", a="1")
            await reader.until(2)
            labelled = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "labels": {"x": "y"}}}
            cluster.merge(labelled)
            await reader.source.caught_up()
            assert reader.seen == [None, {"a": "1"}]

    play(story)


def test_caught_up_means_that_the_gateway_has_taken_it_in() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, reading(cluster) as reader:
            await reader.until(1)
            for number in range(50):
                cluster.config_map("settings", a=str(number))
            await reader.source.caught_up()
            assert reader.seen[-1] == {"a": "49"}

    play(story)


def test_it_catches_up_with_a_server_that_does_not_say_how_far_a_watch_is(monkeypatch: pytest.MonkeyPatch) -> None:
    tell = Watch.next

    async def without_bookmarks(watch: Watch) -> tuple[str, Any] | None:
        while (told := await tell(watch)) is not None and told[0] == "BOOKMARK":
            pass
        return told

    monkeypatch.setattr(Watch, "next", without_bookmarks)

    async def story() -> None:
        async with a_cluster() as cluster, reading(cluster) as reader:
            await reader.until(1)
            cluster.config_map("settings", a="1")
            cluster.config_map("another", a="2")
            await reader.source.caught_up()
            assert reader.seen[-1] == {"a": "1"}

    play(story)


def test_versions_that_the_server_forgets_cost_no_change() -> None:
    async def story() -> None:
        async with a_cluster() as cluster:
            cluster.config_map("settings", a="1")
            async with reading(cluster) as reader:
                await reader.until(1)
                await reader.source.caught_up()
                cluster.api.storage.expire()
                cluster.config_map("settings", a="2")
                assert await reader.until(2) == [{"a": "1"}, {"a": "2"}]

    play(story)


def test_a_server_that_is_away_is_told_once_and_what_was_there_goes_on() -> None:
    async def story() -> None:
        async with a_cluster() as cluster:
            cluster.config_map("settings", a="1")
            async with reading(cluster) as reader:
                await reader.until(1)
                await reader.source.caught_up()
                cluster.refuse("GET", "configmaps", 500, times=3)
                cluster.listener.drop_watches()
                await reader.told("is watched again")
                cluster.config_map("settings", a="2")
                assert await reader.until(2) == [{"a": "1"}, {"a": "2"}]
                assert [report.partition("answered")[2] for report in reader.reports] == [
                    " 500: no way; trying again, what was there goes on", "",
                ]  # fmt: skip

    play(story)


def test_a_server_that_is_away_at_the_start_counts_as_one_without_it() -> None:
    async def story() -> None:
        async with a_cluster() as cluster:
            cluster.config_map("settings", a="1")
            cluster.refuse("GET", "configmaps", 403)
            async with reading(cluster) as reader:
                assert await reader.until(2) == [None, {"a": "1"}]
                await reader.told("is watched again")
            where = "ConfigMap settings in namespace default"
            assert reader.reports == [
                f"{where} cannot be watched: {cluster.url.removeprefix('http://')}: answered 403: no way; "
                "trying again, what was there goes on",
                f"{where} is watched again",
            ]

    play(story)


def test_without_a_name_there_is_nothing_to_watch() -> None:
    async def story() -> None:
        async with a_cluster() as cluster, reading(cluster, name="") as reader:
            assert await reader.until(1) == [None]
            assert cluster.requests == []

    play(story)
