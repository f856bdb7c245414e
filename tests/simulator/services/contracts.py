"""
What the contract test needs to know of each service: how to listen to it as a gateway would, and what to publish.

A new service, or a new provider of one, joins by one more entry in CONTRACTS.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from simulator.services.kafka import EmbeddedKafka
from simulator.services.kafka_shape import SHAPE as KAFKA
from simulator.services.nats import EmbeddedNats
from simulator.services.nats_shape import SHAPE as NATS
from simulator.services.service import Service, SocketAddress, Stimulus
from simulator.services.shapes import ServiceShape

Listener = Callable[[SocketAddress], AbstractAsyncContextManager["asyncio.Queue[bytes]"]]


@dataclass(frozen=True, slots=True)
class Contract:
    """
    One service on one provider.
    """

    name: str
    service: type[Service]
    shape: ServiceShape
    text: str
    """A configuration that listens to what `stimulus` makes."""
    other_text: str
    """One that does not."""
    listen: Listener
    """Listens as a gateway with `text` would: entered when it provably does; gives the payloads."""
    stimulus: Callable[[bytes], Stimulus]
    fence: Callable[[bytes], bool] | None
    """Whether a payload is that of a fence; None where there is no place for one."""
    setups: tuple[Mapping[str, Any], ...] = field(default=({},))
    """Set-ups of which each has to start, publish and stop."""
    always: Mapping[str, Any] = field(default_factory=dict)
    """What every set-up of it says too."""
    is_process: bool = True
    """Whether it is a process of its own, which can die and be missing, and greets who connects."""
    lasting: Mapping[str, Any] | None = None
    """A set-up whose data outlives a kill; None where there is none."""

    def __str__(self) -> str:
        return self.name


@asynccontextmanager
async def _nats_listener(endpoint: SocketAddress) -> AsyncIterator[asyncio.Queue[bytes]]:
    from nats.aio.client import Client

    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(message: Any) -> None:
        received.put_nowait(message.data)

    async def told(*_: Any) -> None:
        pass

    client = Client()
    callbacks = dict.fromkeys(("error_cb", "closed_cb", "disconnected_cb"), told)
    await client.connect(f"nats://{endpoint[0]}:{endpoint[1]}", allow_reconnect=False, **callbacks)
    await client.subscribe("contract.*", cb=take)
    for _ in range(2):  # the library's first PING may overtake the SUB
        await client.flush()
    try:
        yield received
    finally:
        await client.close()


@asynccontextmanager
async def _kafka_listener(endpoint: SocketAddress) -> AsyncIterator[asyncio.Queue[bytes]]:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    received: asyncio.Queue[bytes] = asyncio.Queue()
    partition = TopicPartition("contract", 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=f"{endpoint[0]}:{endpoint[1]}", enable_auto_commit=False)
    await consumer.start()

    async def take() -> None:
        async for message in consumer:
            received.put_nowait(message.value)

    consumer.assign([partition])
    await consumer.seek_to_end()
    await consumer.position(partition)
    await consumer.getmany(timeout_ms=1)  # from here on it fetches
    taking = asyncio.create_task(take())
    try:
        yield received
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        await consumer.stop()


CONTRACTS = (
    Contract(
        name="kafka-embedded",
        service=EmbeddedKafka,
        shape=KAFKA,
        text='url: kafka.argo-events:9092\nattributes: {topic: contract, partition: "0"}\n',
        other_text='url: kafka.argo-events:9092\nattributes: {topic: contract, partition: "1"}\n',
        listen=_kafka_listener,
        stimulus=lambda payload: Stimulus((("topic", "contract"), ("partition", "0")), payload),
        fence=None,
        setups=({}, {"brokers": 3}, {"autoCreate": True}),
        always={"topics": {"contract": {"partitions": 2}}},
        is_process=False,
        lasting={},
    ),
    Contract(
        name="nats-embedded",
        service=EmbeddedNats,
        shape=NATS,
        text="url: nats://nats.argo-events:4222\nattributes: {subject: contract.*}\n",
        other_text="url: nats://nats.argo-events:4222\nattributes: {subject: other}\n",
        listen=_nats_listener,
        stimulus=lambda payload: Stimulus((("subject", "contract.one"),), payload),
        fence=lambda payload: b"gatesim-fence" in payload,
        setups=(
            {},
            {"jetstream": True},
            {"streams": {"KEPT": {"subjects": ["contract.>"]}}},
            {"users": {"me": 'pass"word'}},
            {"tls": True},
        ),
        lasting={"streams": {"KEPT": {"subjects": ["contract.>"], "storage": "file"}}},
    ),
)
