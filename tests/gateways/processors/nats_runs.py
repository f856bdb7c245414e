"""
NATS processors at work in a test, and servers that are not quite nats-server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from gateways.errors import SourceUnavailable
from gateways.processors.nats import NatsProcessor
from tests.gateways.processors.nats_server import PEER, NatsServer
from tests.gateways.processors.runs import Run, listener, running_as
from tests.gateways.processors.surroundings import FakeContext

FOO = f"url: nats://{PEER}\nattributes: {{subject: foo}}\n"
INFO = b'INFO {"server_id":"x","version":"2.10.0","max_payload":1048576}\r\n'


def running(text: str, context: FakeContext) -> AbstractAsyncContextManager[Run]:
    return running_as(NatsProcessor, text, context)


def context_for(server: NatsServer, **more: Any) -> FakeContext:
    return FakeContext({PEER: server.endpoint}, **more)


async def failure_at(endpoint: tuple[str, int], text: str = FOO, **more: Any) -> str:
    async with running(text, FakeContext({PEER: endpoint}, **more)) as run:
        error = await run.failure()
        assert type(error) is SourceUnavailable
        return str(error)


@asynccontextmanager
async def speaking(after_subscribe: bytes, *, leaves: bool = False) -> AsyncIterator[Any]:
    """
    A server that says something right after the subscription's PONG.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        for answer in (b"PONG\r\n", b"PONG\r\n" + after_subscribe):
            await reader.readuntil(b"PING\r\n")
            writer.write(answer)
        if leaves:
            writer.close()

    async with listener(serve) as endpoint:
        yield endpoint


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return
