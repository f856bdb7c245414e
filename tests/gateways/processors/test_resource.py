"""
The resource processor against an API server, and against what is none.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateways.addresses import Cluster, DirectAddresses
from gateways.cluster import Watch
from gateways.errors import ConfigurationError, SourceUnavailable
from gateways.limits import Limits
from gateways.processors.resource import ResourceProcessor
from simulator.services.embedded.kubernetes.api import Api, Asked
from simulator.services.embedded.kubernetes.listener import Listener
from tests.gateways.processors.surroundings import ACCEPTED, REFUSED, FakeContext

CONFIG_MAPS = "namespace: default\nversion: v1\nkind: ConfigMap\n"
ASKED = Asked(manager="test", force=True)


class Server:
    """
    One API server, and its hand on ConfigMaps.
    """

    def __init__(self) -> None:
        self.api = Api()
        self.listener = Listener(self.api)
        found = self.api.kinds.get("", "v1", "configmaps")
        assert found is not None
        self._kind = found

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.port}"

    def make(self, name: str, **metadata: Any) -> None:
        self.api.create(self._kind, "default", {"metadata": {"name": name, **metadata}}, ASKED)

    def delete(self, name: str) -> None:
        self.api.delete(self._kind, "default", name, {}, ASKED)


def play(story: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(20):
            await story()

    asyncio.run(limited())


def context_at(cluster: Cluster, *, limits: Limits | None = None, room: int | None = None) -> FakeContext:
    context = FakeContext(limits=limits, room=room)
    context.addresses = DirectAddresses(cluster=cluster)
    return context


@asynccontextmanager
async def a_server() -> AsyncIterator[Server]:
    server = Server()
    await server.listener.start()
    try:
        yield server
    finally:
        await server.listener.stop()


@asynccontextmanager
async def running(context: FakeContext, text: str = CONFIG_MAPS) -> AsyncIterator[ResourceProcessor]:
    processor = ResourceProcessor(ResourceProcessor.parse("settings", text), context)
    life = asyncio.create_task(processor.run())
    try:
        await context.until(lambda: context.said or life.done())
        yield processor
    finally:
        life.cancel()
        await asyncio.wait({life})
        await processor.close()


def told(context: FakeContext) -> list[tuple[str, str]]:
    return [(event.subject, dict(event.extensions)["operation"]) for event in context.events]


def test_what_is_there_and_what_happens_is_handed_on_in_order() -> None:
    async def story() -> None:
        async with a_server() as server:
            server.make("before")
            context = context_at(Cluster(server.url))
            async with running(context) as processor:
                assert context.said == ["running: watching configmaps in namespace default"]
                server.make("after")
                server.delete("before")
                assert await processor.caught_up()
                assert told(context) == [
                    ("default/before", "added"), ("default/after", "added"), ("default/before", "deleted"),
                ]  # fmt: skip
                assert json.loads(context.events[0].payload)["kind"] == "ConfigMap"

    play(story)


def test_caught_up_means_everything_that_the_server_had_taken() -> None:
    async def story() -> None:
        async with a_server() as server:
            context = context_at(Cluster(server.url))
            async with running(context) as processor:
                for number in range(500):
                    server.make(f"c{number}")
                assert await processor.caught_up()
                assert len(context.events) == 500
                server.api.storage.expire()
                server.make("after")
                assert await processor.caught_up()
                assert len(context.events) == 501

    play(story)


def test_it_catches_up_with_a_server_that_does_not_say_how_far_a_watch_is(monkeypatch: pytest.MonkeyPatch) -> None:
    tell = Watch.next

    async def without_bookmarks(watch: Watch) -> tuple[str, Any] | None:
        while (told := await tell(watch)) is not None and told[0] == "BOOKMARK":
            pass
        return told

    monkeypatch.setattr(Watch, "next", without_bookmarks)

    async def story() -> None:
        async with a_server() as server:
            server.make("before")
            context = context_at(Cluster(server.url))
            async with running(context) as processor:
                server.make("after")
                server.delete("before")
                assert await processor.caught_up()
                assert len(context.events) == 3
                namespaces = server.api.kinds.get("", "v1", "namespaces")
                assert namespaces is not None
                server.api.create(namespaces, "", {"metadata": {"name": "moves-the-version-on"}}, ASKED)
                assert await processor.caught_up()

    play(story)


def test_a_full_lane_holds_the_reading_back_and_nothing_is_lost() -> None:
    async def story() -> None:
        async with a_server() as server:
            context = context_at(Cluster(server.url), room=1)
            async with running(context) as processor:
                for number in range(5):
                    server.make(f"c{number}")
                await context.until(processor.paused)
                assert await processor.caught_up()
                assert len(context.events) == 1
                context.make_room(None)
                await context.until(lambda: len(context.events) == 5)
                assert not processor.paused()

    play(story)


def test_what_is_refused_is_handed_on_again_as_long_as_it_is_the_latest() -> None:
    async def story() -> None:
        async with a_server() as server:
            context = context_at(Cluster(server.url))
            async with running(context):
                server.make("a")
                await context.until(lambda: len(context.events) == 1)
                for count in (1, 2):
                    settle = context.events[-1].settle
                    assert settle is not None
                    settle(REFUSED)
                    await context.until(lambda count=count: len(context.events) == count + 1)  # type: ignore[misc]
                assert len({event.id for event in context.events}) == 1
                server.delete("a")
                await context.until(lambda: len(context.events) == 4)
                settle = context.events[2].settle
                assert settle is not None
                settle(REFUSED)
                last = context.events[3].settle
                assert last is not None
                last(ACCEPTED)
                server.make("b")
                await context.until(lambda: len(context.events) == 5)
                assert told(context)[3:] == [("default/a", "deleted"), ("default/b", "added")]

    play(story)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "no API server of Kubernetes"),
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "answered 500"),
        (
            b'HTTP/1.1 403 Forbidden\r\nContent-Length: 40\r\n\r\n{"message": "User me cannot list pods."}',
            "answered 403: User me cannot list pods.",
        ),
        (b"INFO {}\r\n", "no HTTP server"),
        (b"", "the server closed the connection"),
    ],
)
def test_what_is_no_api_server_or_refuses_is_told_in_plain_words(answer: bytes, problem: str) -> None:
    async def story() -> None:
        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(say, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        context = context_at(Cluster(f"http://{host}:{port}"))
        processor = ResourceProcessor(ResourceProcessor.parse("settings", CONFIG_MAPS), context)
        with pytest.raises(SourceUnavailable, match=problem):
            await processor.run()
        await processor.close()
        server.close()

    play(story)


def test_a_server_that_answers_nothing_is_given_up_after_the_connect_limit() -> None:
    async def story() -> None:
        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.read()
            finally:
                writer.close()

        server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        context = context_at(Cluster(f"http://{host}:{port}"), limits=Limits(connect_s=0.1))
        processor = ResourceProcessor(ResourceProcessor.parse("settings", CONFIG_MAPS), context)
        with pytest.raises(SourceUnavailable, match=r"no answer within 0\.1 s"):
            await processor.run()
        server.close()

    play(story)


def test_a_server_that_ends_every_watch_at_once_is_not_asked_without_end() -> None:
    async def story() -> None:
        asked: list[str] = []
        resources = [{"kind": "ConfigMap", "name": "configmaps", "namespaced": True, "verbs": ["watch"]}]
        listing = json.dumps({"resources": resources, "metadata": {"resourceVersion": "5"}}).encode()

        async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                asked.append((await reader.readuntil(b"\r\n\r\n")).decode().split()[1])
                said = b"" if "watch=true" in asked[-1] else listing
                writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + said)
            finally:
                writer.close()

        server = await asyncio.start_server(cut, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        context = context_at(Cluster(f"http://{host}:{port}"))
        async with running(context):
            await context.until(lambda: any("ends every watch at once" in said for said in context.said))
            assert sum("watch=true" in path for path in asked) == 2
        server.close()

    play(story)


def test_a_kubeconfig_says_where_the_cluster_is_and_a_wrong_one_is_an_error(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_server() as server:
            file = tmp_path / "config"
            file.write_text(
                json.dumps(
                    {
                        "apiVersion": "v1",
                        "kind": "Config",
                        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
                        "users": [{"name": "u", "user": {"token": "secret"}}],
                        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                        "current-context": "x",
                    }
                )
            )
            context = context_at(Cluster(kubeconfig=str(file)))
            server.make("a")
            async with running(context):
                await context.until(lambda: context.events)
                assert told(context) == [("default/a", "added")]
        missing = context_at(Cluster(kubeconfig=str(tmp_path / "none")))
        processor = ResourceProcessor(ResourceProcessor.parse("settings", CONFIG_MAPS), missing)
        with pytest.raises(ConfigurationError, match="no way to the cluster is known"):
            await processor.run()

    play(story)
