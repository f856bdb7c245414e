"""
What the HTTP parts of the gateway are tested with: real sockets, a raw client, a watcher that says what it is told to.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import uvloop

from gateways.addresses import DirectAddresses, Endpoint
from gateways.chance import Chance
from gateways.clock import Clock, SystemClock
from gateways.http_connection import Handler
from gateways.http_listener import HttpListener
from gateways.limits import Limits, Retry
from gateways.source_event import Certainty, DispatchResult, Settlement, SourceEvent
from simulator.virtual_clock import VirtualClock

START = datetime(2018, 10, 7, 12, tzinfo=UTC)
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop] | None] = {"asyncio": None, "uvloop": uvloop.new_event_loop}
ACCEPTED = Settlement((DispatchResult("audit", Certainty.ACCEPTED, 1, ""),))
REFUSED = Settlement((DispatchResult("audit", Certainty.REFUSED, 5, "answered 500"),))


def play(story: Callable[[], Coroutine[Any, Any, None]], loop: str = "asyncio") -> None:
    """
    Run *story*; nothing may go wrong behind its back, and nothing may hang.
    """
    behind: list[dict[str, Any]] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: behind.append(context))
        async with asyncio.timeout(20):
            await story()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(run())
    assert not behind


def virtual_clock() -> VirtualClock:
    return VirtualClock(START, patience_s=5)


@asynccontextmanager
async def listening(
    handler: Handler, *, clock: Clock | None = None, limits: Limits | None = None
) -> AsyncIterator[tuple[HttpListener, int]]:
    listener = HttpListener(handler, clock=clock or SystemClock(), limits=limits or Limits())
    port = await listener.start("127.0.0.1", 0)
    try:
        yield listener, port
    finally:
        listener.abort()
        await listener.close()


class Wire:
    """
    A client that sends whatever bytes it is told to.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int) -> AsyncIterator[Wire]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    def send(self, *pieces: bytes) -> None:
        self.writer.write(b"".join(pieces))

    def send_end(self) -> None:
        self.writer.write_eof()

    async def answer(self, *, method: str = "POST") -> tuple[int, dict[str, str], bytes]:
        """
        The next answer: status, headers by lower-case name, body.
        """
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = 0 if method == "HEAD" else int(headers.get("content-length", "0"))
        return int(status.split()[1]), headers, await self.reader.readexactly(length)

    async def status(self) -> int:
        return (await self.answer())[0]

    async def rest(self) -> bytes:
        """
        All that comes until the server closes; a reset ends it too.
        """
        received = b""
        try:
            while piece := await self.reader.read(65536):
                received += piece
        except ConnectionError:
            pass
        return received


def post(path: str = "/foo", body: bytes = b"hello", *headers: str) -> bytes:
    """
    A well-formed request.
    """
    lines = [f"POST {path} HTTP/1.1", "Host: gateway", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


async def ask(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """
    One request on a connection of its own.
    """
    async with Wire.to(port) as wire:
        wire.send(request)
        return await wire.answer(method=request.split(b" ")[0].decode("latin-1"))


class FakeContext:
    """
    A Context of one configuration, with as much room as a test says; events are settled by the test.
    """

    def __init__(
        self, configuration: str, *, clock: Clock, ports: dict[int, int] | None = None, limits: Limits | None = None
    ) -> None:
        self.gateway, self.configuration = "hooks", configuration
        self.clock = clock
        self.addresses = Ports(ports if ports is not None else {})
        self.chance = Chance(0)
        self.limits = limits or Limits()
        self.retry = Retry(jitter=0)
        self.log = logging.LoggerAdapter(logging.getLogger("gateways.test"), {})
        self.events: list[SourceEvent] = []
        self.said: list[str] = []
        self.space: int | None = None
        self._changed: list[asyncio.Future[None]] = []

    def emit(self, event: SourceEvent) -> bool:
        if self.space is not None:
            if not self.space:
                return False
            self.space -= 1
        self.events.append(event)
        self.tell()
        return True

    async def room(self) -> None:
        with self.clock.idle():
            await self.until(lambda: self.space is None or self.space > 0)

    def running(self, message: str = "") -> None:
        self.said.append(f"running: {message}")
        self.tell()

    def failing(self, cause: str) -> None:
        self.said.append(f"failing: {cause}")
        self.tell()

    def count(self, counter: str, by: int = 1) -> None:
        raise AssertionError(f"nothing is counted here: {counter} {by}")

    # The test's side.

    def settle(self, settlement: Settlement = ACCEPTED) -> None:
        """
        Settle the oldest event.
        """
        settle = self.events.pop(0).settle
        assert settle is not None
        settle(settlement)

    def make_room(self, space: int | None) -> None:
        self.space = space
        self.tell()

    async def until(self, done: Callable[[], Any]) -> None:
        while not done():
            changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._changed.append(changed)
            await changed

    def tell(self) -> None:
        changed, self._changed = self._changed, []
        for future in changed:
            if not future.done():
                future.set_result(None)


class Ports(DirectAddresses):
    """
    An address book that maps the ports of texts to loopback ports; unknown ones to a free port, read back later.
    """

    def __init__(self, ports: dict[int, int]) -> None:
        super().__init__(bind="127.0.0.1")
        self.ports = ports

    def listen(self, port: int) -> Endpoint:
        return "127.0.0.1", self.ports.get(port, 0)
