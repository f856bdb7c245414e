"""
A MinIO as the keeper keeps it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO

import pytest

from simulator.installing.binaries import find
from simulator.keeping.kept_server import Unstartable
from simulator.keeping.minio import KeptMinio


@asynccontextmanager
async def kept(deaths: list[str] | None = None) -> AsyncIterator[KeptMinio]:
    server = KeptMinio({}, deaths.append if deaths is not None else print)
    try:
        yield server
    finally:
        await server.close()


def test_what_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.keeping.kept_server.find", lambda name: None)

    async def story() -> None:
        async with kept() as server:
            with pytest.raises(Unstartable) as unstartable:
                await server.start()
            assert unstartable.value.how == "gatesim env install minio"

    asyncio.run(story())


@pytest.mark.skipif(find("minio") is None, reason="MinIO is not installed: gatesim env install minio")
def test_it_keeps_its_data_over_a_kill_and_none_over_a_wipe_at_the_same_port() -> None:
    async def story() -> None:
        deaths: list[str] = []
        async with kept(deaths) as server:
            await server.start()
            access = server.access
            client = server._client()
            await asyncio.to_thread(client.make_bucket, "foo")
            await asyncio.to_thread(client.put_object, "foo", "a", BytesIO(b"x"), 1)
            await server.kill()
            assert not server.running
            await server.start()
            assert server.access["port"] == access["port"]
            client = server._client()
            assert (await asyncio.to_thread(client.stat_object, "foo", "a")).size == 1
            await server.wipe()
            await server.start()
            assert server.access["port"] == access["port"]
            assert await asyncio.to_thread(server._client().list_buckets) == []
            await server.stop()
            assert not server.running
            folder = server._process.folder
        assert not folder.exists()
        assert deaths == []

    asyncio.run(story())


@pytest.mark.skipif(find("minio") is None, reason="MinIO is not installed: gatesim env install minio")
def test_a_death_is_told() -> None:
    async def story() -> None:
        deaths: list[str] = []
        async with kept(deaths) as server:
            await server.start()
            server._process._child.kill_group()  # type: ignore[union-attr]  # as from outside
            while not deaths:
                await asyncio.sleep(0)
            assert "SIGKILL" in deaths[0]

    asyncio.run(story())
