"""
What the contract test needs to know of the Kafka brokers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from simulator.scenario_file.step import FaultReply
from simulator.services.kafka import EmbeddedKafka
from simulator.services.kafka_shape import SHAPE as KAFKA
from simulator.services.service import SocketAddress, Stimulus
from tests.simulator.services.contract import Contract

_API_VERSIONS = bytes.fromhex("0000000a0012000000000001ffff")
"""An ApiVersions request: who connects speaks first."""


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


async def _kept(service: EmbeddedKafka) -> int:
    return service._cluster.partition("contract", 0).end


CONTRACT = Contract(
    name="kafka-embedded",
    service=EmbeddedKafka,
    shape=KAFKA,
    text='url: kafka.argo-events:9092\nattributes: {topic: contract, partition: "0"}\n',
    other_text='url: kafka.argo-events:9092\nattributes: {topic: contract, partition: "1"}\n',
    listen=_kafka_listener,
    stimulus=lambda payload: Stimulus((("topic", "contract"), ("partition", "0")), payload),
    fence=None,
    setups=({}, {"brokers": 3}, {"autoCreate": True}),
    usual={"topics": {"contract": {"partitions": 2}}},
    is_process=False,
    lasting={},
    kept=_kept,
    greeting=_API_VERSIONS,
    reply=FaultReply(request="Fetch", error="NOT_LEADER_OR_FOLLOWER", times=1),
)
