"""
MQTT: the MQTT listener of a nats-server, and one topic for each event in flight; quality 0, or 1 with its stream.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import ClassVar

from benchmarks.load import PAYLOAD, sink_reaches
from benchmarks.sources.nats_server import nats_server, publish_all
from benchmarks.sources.source import Source, free_port

_AHEAD = 500
"""Less than `max_ack_pending`; beyond it a session of several topics waits for the server's ack_wait."""


class MqttSource(Source):
    """
    See Source. Messages of quality 0 are published in the server's own protocol, which is cheapest.
    """

    type = "mqtt"
    qos: ClassVar[int] = 0

    def __init__(self, in_flight: int) -> None:
        super().__init__(in_flight)
        self._port, self._own_port = free_port(), free_port()
        self._stack = AsyncExitStack()
        self._topics = [f"s{number}" for number in range(in_flight)]

    async def start(self) -> None:
        """See Source."""
        configuration = (
            f"server_name: load\nlisten: 127.0.0.1:{self._own_port}\njetstream: {{store_dir: store}}\n"
            f"mqtt: {{host: 127.0.0.1, port: {self._port}, max_ack_pending: 1000}}\n"
        )
        await self._stack.enter_async_context(nats_server(configuration))

    async def stop(self) -> None:
        """See Source."""
        await self._stack.aclose()

    def texts(self) -> dict[str, str]:
        """See Source."""
        url = f"tcp://127.0.0.1:{self._port}"
        return {name: f"url: {url}\nqos: {self.qos}\nattributes: {{topic: {name}}}" for name in self._topics}

    def relay_arguments(self) -> list[str]:
        """See Source."""
        return [str(self._port), str(self.qos), *self._topics]

    async def publish(self, count: int) -> None:
        """See Source."""
        await publish_all(self._own_port, self._topics, count)


class Mqtt1Source(MqttSource):
    """
    The same in quality 1: stored by the server until it is acknowledged, which is after the dispatch.
    """

    qos = 1

    async def publish(self, count: int) -> None:
        """See Source. Never far ahead of what has arrived: the server's stream is the bottleneck else."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x00\x00\x04load")
        await reader.readexactly(4)
        reading = asyncio.create_task(_read_all(reader))
        for at in range(0, count, 50):
            await sink_reaches(at - _AHEAD)
            numbers = range(at, min(at + 50, count))
            writer.write(b"".join(_published(self._topics[each % len(self._topics)], each) for each in numbers))
            await writer.drain()
        await sink_reaches(count)
        writer.close()
        await reading


async def _read_all(reader: asyncio.StreamReader) -> None:
    while await reader.read(65_536):
        pass


def _published(topic: str, number: int) -> bytes:
    """
    A PUBLISH of quality 1.

    Source: MQTT 3.1.1 section 3.3.
    """
    name = topic.encode()
    rest = len(name).to_bytes(2, "big") + name + (number % 65_535 + 1).to_bytes(2, "big") + PAYLOAD
    return bytes([0x32, len(rest) % 128 | 0x80, len(rest) // 128]) + rest
