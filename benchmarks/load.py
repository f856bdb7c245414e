"""
Load: an HTTP sender and a sink that cost as little as they can, so that what stands between them is what is measured.

Both assume well-behaved peers: requests and answers are counted, not parsed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import ClassVar

ANSWER = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
PAYLOAD = json.dumps({"id": 7, "text": "x" * 220}).encode()


class Sink(asyncio.Protocol):
    """
    Answers 202 to every request and counts them.
    """

    count = 0
    waiting: ClassVar[list[tuple[int, asyncio.Future[None]]]] = []
    """Who waits for it to have seen so many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._kept = b""

    def data_received(self, data: bytes) -> None:
        data = self._kept + data if self._kept else data
        while True:
            head = data.find(b"\r\n\r\n")
            if head < 0:
                break
            length = _length(data, head)
            if len(data) < head + 4 + length:
                break
            data = data[head + 4 + length :]
            self._answered()
        self._kept = data

    def _answered(self) -> None:
        self._transport.write(ANSWER)  # type: ignore[attr-defined]  # a TCP transport
        Sink.count += 1
        for wanted, reached in Sink.waiting:
            if Sink.count == wanted and not reached.done():
                reached.set_result(None)


def _length(data: bytes, head: int) -> int:
    at = data.lower().find(b"content-length:", 0, head)
    return int(data[at + 15 : data.find(b"\r\n", at)]) if at >= 0 else 0


class Sender(asyncio.Protocol):
    """
    One connection that sends the next request as soon as the answer to the last has come.
    """

    def __init__(self, request: bytes, left: list[int], done: asyncio.Future[None]) -> None:
        self._request = request
        self._left = left
        self._done = done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._kept = b""
        self._next()

    def data_received(self, data: bytes) -> None:
        data = self._kept + data if self._kept else data
        head = data.find(b"\r\n\r\n")
        if head < 0 or len(data) < head + 4 + _length(data, head):
            self._kept = data
            return
        self._kept = b""
        if not data.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")):
            raise SystemExit(f"the relay answered {data[:60]!r}")
        self._left[1] -= 1
        if not self._left[1]:
            self._done.set_result(None)
        self._next()

    def _next(self) -> None:
        if self._left[0]:
            self._left[0] -= 1
            self._transport.write(self._request)  # type: ignore[attr-defined]  # a TCP transport


async def post_all(port: int, path: str, count: int, connections: int) -> float:
    """
    Send *count* requests over so many connections and wait for every answer.

    Returns:
        Seconds.
    """
    loop = asyncio.get_running_loop()
    lines = (f"POST {path} HTTP/1.1", "host: localhost", "content-type: application/json")
    head = "\r\n".join((*lines, f"content-length: {len(PAYLOAD)}", "", ""))
    done, left = loop.create_future(), [count, count]
    began = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: Sender(head.encode() + PAYLOAD, left, done), "127.0.0.1", port)
    await done
    return time.perf_counter() - began


async def sink_reaches(count: int) -> None:
    """
    Wait until the sink has seen *count* requests since it was last set to none.
    """
    if Sink.count >= count:
        return
    reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    entry = (count, reached)
    Sink.waiting.append(entry)
    await reached
    Sink.waiting.remove(entry)


async def delivered(publish: Callable[[int], Awaitable[None]], count: int) -> None:
    """
    Have so many events made, and wait until they are with the sink.
    """
    Sink.count = 0
    async with asyncio.TaskGroup() as group:
        group.create_task(sink_reaches(count))
        await publish(count)


async def start_sink() -> int:
    """
    Listen; returns the port.
    """
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    return port


if __name__ == "__main__":
    sys.exit("run `python -m benchmarks` instead")
