from __future__ import annotations

import asyncio

import pytest

from gateways.errors import AddressRefused, SourceUnavailable
from gateways.limits import Limits
from tests.gateways.processors.nats_runs import FOO, failure_at, running, silent, speaking
from tests.gateways.processors.nats_server import PEER, nats_server
from tests.gateways.processors.runs import listener, play
from tests.gateways.processors.surroundings import FakeContext


def test_nobody_there_is_said_so() -> None:
    async def story() -> None:
        async with listener(silent) as (host, port):
            pass
        assert await failure_at((host, port)) == f"{PEER}: connection refused"

    play(story())


def test_a_name_that_nobody_knows_is_said_so() -> None:
    async def story() -> None:
        async with running("url: nats://nowhere.invalid\nattributes: {subject: foo}", FakeContext()) as run:
            assert str(await run.failure()).startswith("nowhere.invalid:4222: ")
            assert "errno" not in str(await run.failure()).lower()

    play(story())


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"INFO []\r\n",
        b"INFO {\r\n",
        b"INFO\r\n",
        b"\x00" * 70_000,
        b"220 smtp\r\n",
    ],
)
def test_a_server_that_speaks_something_else_is_said_so(greeting: bytes) -> None:
    async def story() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)

        async with listener(serve) as endpoint:
            assert await failure_at(endpoint) == f"{PEER}: no NATS server answers there"

    play(story())


def test_a_server_that_leaves_at_once_is_said_so() -> None:
    async def story() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async with listener(serve) as endpoint:
            assert await failure_at(endpoint) == f"{PEER}: no NATS server answers there"

    play(story())


def test_a_server_that_says_nothing_runs_into_the_limit() -> None:
    async def story() -> None:
        async with listener(silent) as endpoint:
            assert await failure_at(endpoint, limits=Limits(connect_s=0.05)) == f"{PEER}: no answer within 0.05 s"

    play(story())


def test_nonsense_in_the_middle_ends_the_run() -> None:
    async def story() -> None:
        async with speaking(b"WHAT IS THIS\r\n") as endpoint, running(FOO, FakeContext({PEER: endpoint})) as run:
            assert isinstance(await run.failure(), SourceUnavailable)

    play(story())


def test_the_first_server_that_answers_is_used_and_named() -> None:
    async def story() -> None:
        text = f"url: nats://nowhere:1,nats://{PEER}\nattributes: {{subject: foo}}"
        async with nats_server() as server, listener(silent) as gone:
            pass
        async with nats_server() as server:
            context = FakeContext({"nowhere:1": gone, PEER: server.endpoint})
            async with running(text, context) as run:
                await run.listens()
                assert context.said == [f"running: subscribed to foo at {PEER}"]

    play(story())


def test_when_no_server_answers_each_is_named() -> None:
    async def story() -> None:
        async with listener(silent) as gone:
            pass
        text = "url: nats://one:1,nats://two:2\nattributes: {subject: foo}"
        async with running(text, FakeContext({"one:1": gone, "two:2": gone})) as run:
            assert str(await run.failure()) == "one:1: connection refused; two:2: connection refused"

    play(story())


def test_an_address_that_leads_nowhere_is_said_so() -> None:
    class Nowhere(FakeContext):
        def dial(self, host: str, port: int) -> tuple[str, int]:
            raise AddressRefused(host, port, "nothing is there")

    async def story() -> None:
        context = Nowhere()
        context.addresses = context  # type: ignore[assignment]  # it dials, which is all that is used
        async with running(FOO, context) as run:
            assert str(await run.failure()) == f"{PEER}: nothing is there"

    play(story())
