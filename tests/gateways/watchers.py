"""
Watchers that do what a test says, and targets that ask them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from gateways.addresses import DirectAddresses, Endpoint
from gateways.clock import Clock, SystemClock, SystemHold
from gateways.cloudevent import CloudEvent, DataForm
from gateways.errors import AddressRefused
from gateways.gateway_spec import GatewaySpec
from gateways.http_sender import HttpTargets
from gateways.source_event import Certainty
from gateways.watcher import Attempt, Watcher
from tests.gateways.surroundings import START

OK = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
EVENT = CloudEvent("7", "gw/foo", "webhook", START, "/foo", "application/json", (), b'{"a":1}', DataForm.JSON)


class Book(DirectAddresses):
    """
    Every watcher is at one loopback port; 0 is nowhere.
    """

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port

    def dial(self, host: str, port: int) -> Endpoint:
        if not self.port:
            raise AddressRefused(host, port, "nothing is there")
        return "127.0.0.1", self.port


def targets_at(port: int, *watchers: Watcher, clock: Clock | None = None, **options: Any) -> HttpTargets:
    watchers = watchers or (Watcher("audit", "audit-sensor-svc", 9300, "/"),)
    spec = GatewaySpec(name="gw", type="webhook", version="1.0", watchers=watchers, **options)
    return HttpTargets(spec, clock=clock or SystemClock(), addresses=Book(port))


@asynccontextmanager
async def watcher_that(
    answers: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """
    A watcher that does with each connection what a test says.
    """
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        try:
            await answers(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the gateway left, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head + await reader.readexactly(length)


def says(
    *answers: bytes, close: bool = False
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for text in answers:
            await read_request(reader)
            writer.write(text)
            await writer.drain()
        if not close:
            await reader.read()

    return answer


async def attempt_at(port: int, **options: Any) -> Attempt:
    targets = targets_at(port, **options)
    try:
        return await targets.of("foo")[0].attempt(EVENT, SystemHold())
    finally:
        targets.abort()


def refused(cause: str) -> Attempt:
    return Attempt(Certainty.REFUSED, cause)


def uncertain(cause: str) -> Attempt:
    return Attempt(Certainty.UNCERTAIN, cause)
