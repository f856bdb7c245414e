"""
The Kafka processor against our cluster, and against librdkafka's, which shares no code with ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateways.errors import SourceUnavailable
from gateways.processors.kafka import KafkaProcessor
from gateways.processors.kafka_options import KafkaOptions
from gateways.processors.kafka_position import Positions
from tests.gateways.processors.surroundings import ACCEPTED, REFUSED, FakeContext
from tests.simulator.services.embedded.kafka_clients import running

TEXT = 'url: {}\nattributes: {{topic: foo, partition: "0"}}\n'


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(20):
            await story()

    asyncio.run(limited())


@asynccontextmanager
async def reading(servers: str, context: FakeContext, more: str = "") -> AsyncIterator[KafkaProcessor]:
    processor = KafkaProcessor(KafkaOptions.parse(TEXT.format(servers) + more), context, Positions())
    run = asyncio.create_task(processor.run())
    try:
        while not context.said and not run.done():
            await asyncio.sleep(0.001)
        yield processor
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await processor.close()


def produce(servers: str, *values: bytes) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": servers})
    for value in values:
        producer.produce("foo", value, partition=0)
    assert producer.flush(10) == 0


async def arrived(context: FakeContext, number: int) -> None:
    while len(context.events) < number:
        await asyncio.sleep(0.001)


def test_messages_of_another_implementation_s_cluster_are_read() -> None:
    from confluent_kafka.admin import AdminClient

    mock = AdminClient({"test.mock.num.brokers": 1, "bootstrap.servers": "unused"})
    broker = next(iter(mock.list_topics(timeout=10).brokers.values()))
    servers = f"{broker.host}:{broker.port}"
    produce(servers, b"before")

    async def story() -> None:
        context = FakeContext()
        async with reading(servers, context):
            await asyncio.to_thread(produce, servers, b"1", b"2")
            await arrived(context, 2)
            assert [(event.payload, event.subject) for event in context.events] == [
                (b"1", "foo/0/1"),
                (b"2", "foo/0/2"),
            ]

    play(story)


def test_what_was_refused_is_handed_on_again_with_the_same_id_and_committed_when_accepted() -> None:
    with running({"foo": 1}) as (servers, cluster):

        async def story() -> None:
            context = FakeContext()
            async with reading(servers, context, "group: g\n") as processor:
                await asyncio.to_thread(produce, servers, b"1")
                assert await processor.caught_up()
                assert len(context.events) == 1
                settle = context.events[0].settle
                assert settle is not None
                settle(REFUSED)
                await arrived(context, 2)
                assert context.events[0].id == context.events[1].id
                again = context.events[1].settle
                assert again is not None
                assert cluster.groups["g"].offsets["foo", 0].offset == 0
                again(ACCEPTED)
                while cluster.groups["g"].offsets["foo", 0].offset != 1:
                    await asyncio.sleep(0.001)

        play(story)


def test_where_the_next_message_is_gone_it_goes_on_at_the_oldest_and_counts_the_loss() -> None:
    with running({"foo": 1}) as (servers, cluster):
        produce(servers, b"1", b"2", b"3")
        cluster.partition("foo", 0).forget_before(2)

        async def story() -> None:
            from confluent_kafka import Consumer, TopicPartition

            keeper = Consumer({"bootstrap.servers": servers, "group.id": "g"})
            keeper.commit(offsets=[TopicPartition("foo", 0, 1)], asynchronous=False)
            keeper.close()
            context = FakeContext()
            async with reading(servers, context, "group: g\n"):
                await arrived(context, 1)
                assert (context.events[0].payload, context.counted) == (b"3", {"dropped": 1})

        play(story)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_a_server_that_is_no_kafka_broker_is_an_error_that_says_so(answer: bytes) -> None:
    async def story() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(answer)
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            options = KafkaOptions.parse(TEXT.format(f"127.0.0.1:{port}"))
            with pytest.raises(SourceUnavailable) as error:
                await KafkaProcessor(options, FakeContext(), None).run()
            assert ("no Kafka broker" if answer else "closed") in str(error.value)

    play(story)
