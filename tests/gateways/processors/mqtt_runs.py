"""
MQTT processors at work in a test, a real server for them, and servers that are not quite MQTT.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from gateways.errors import SourceUnavailable
from gateways.processor import Shared
from gateways.processors.mqtt import MqttProcessor
from simulator.services.mqtt import EmbeddedMqtt
from simulator.services.service import Published, Stimulus
from tests.gateways.processors.runs import Run, listener, running_as
from tests.gateways.processors.surroundings import FakeContext

PEER = "mqtt.argo-events:1883"
FOO = f"url: tcp://{PEER}\nattributes: {{topic: foo}}\n"
KEPT = f"{FOO}qos: 1\nclientId: shop\ncleanSession: false\n"
CONNACK, SUBACK = b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x00"


class _NoTime:
    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        raise AssertionError("nothing here is delayed")

    def stall_peer(self, peer: str) -> Callable[[], None]:
        return lambda: None


class Server(EmbeddedMqtt):
    """
    A real server, with a shorter way to publish.
    """

    async def say(self, topic: str, *payloads: bytes, qos: int = 0, retain: bool = False) -> None:
        where = (("topic", topic), ("qos", str(qos)), ("retain", str(retain)))
        assert await self.publish([Stimulus(where, payload) for payload in payloads]) == Published(True)
        await self.delivered()


@asynccontextmanager
async def mqtt_server(**setup: Any) -> AsyncIterator[Server]:
    server = Server("mqtt", setup, peers=(PEER,), relayed=False, time=_NoTime(), died=lambda cause: None)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


def running(text: str, context: FakeContext, shared: Shared | None = None) -> AbstractAsyncContextManager[Run]:
    return running_as(MqttProcessor, text, context, shared)


def context_for(server: Server, **more: Any) -> FakeContext:
    return FakeContext({PEER: server.endpoint}, **more)


async def failure_at(endpoint: tuple[str, int], text: str = FOO, **more: Any) -> str:
    async with running(text, FakeContext({PEER: endpoint}, **more)) as run:
        error = await run.failure()
        assert type(error) is SourceUnavailable
        return str(error)


@asynccontextmanager
async def speaking(*answers: bytes, leaves: bool = False) -> AsyncIterator[Any]:
    """
    A server that gives these answers, one for each piece that it hears.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.read(1000)
            writer.write(answer)
        if leaves:
            writer.close()

    async with listener(serve) as endpoint:
        yield endpoint
