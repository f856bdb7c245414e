"""
The embedded Kafka cluster, judged by three clients, two of which have a codec of their own.
"""

from __future__ import annotations

import asyncio
import gc
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator.services.embedded.kafka_clients import running

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """
    kafka-python 3.0 leaves sockets to the garbage collector, which would warn in somebody else's test.
    """
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def polled(consumer: Any, number: int) -> list[Any]:
    """
    So many messages of a confluent-kafka consumer.
    """
    found: list[Any] = []
    deadline = time.monotonic() + 20
    while len(found) < number and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            found.append(message)
    return found


def test_kafka_python_produces_consumes_in_a_group_and_goes_on_where_it_stopped() -> None:
    from kafka import KafkaConsumer, KafkaProducer

    with running({"foo": 2}, brokers=2) as (servers, _):
        producer = KafkaProducer(bootstrap_servers=servers.split(","))
        sent = [
            producer.send("foo", b"%d" % i, key=b"k", partition=i % 2, headers=[("h", b"v")]).get(10) for i in range(6)
        ]
        assert [(each.partition, each.offset) for each in sent] == [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]
        options: dict[str, Any] = {
            "bootstrap_servers": servers.split(","),
            "group_id": "g",
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
        }
        first = KafkaConsumer("foo", **options)
        assert sorted(next(first).value for _ in range(6)) == [b"%d" % i for i in range(6)]
        first.commit()
        first.close()
        producer.send("foo", b"more", partition=1).get(10)
        second = KafkaConsumer("foo", **options)
        assert next(second).value == b"more"
        second.close()
        producer.close()


def test_offsets_by_time_are_those_of_the_first_message_not_older() -> None:
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition

    with running({"foo": 1}) as (servers, _):
        producer = KafkaProducer(bootstrap_servers=servers)
        for stamp in (1_000, 2_000, 3_000):
            producer.send("foo", b"x", timestamp_ms=stamp).get(10)
        producer.close()
        consumer, place = KafkaConsumer(bootstrap_servers=servers), TopicPartition("foo", 0)
        assert consumer.offsets_for_times({place: 1_500})[place].offset == 1
        assert consumer.offsets_for_times({place: 9_000})[place] is None
        assert (consumer.beginning_offsets([place])[place], consumer.end_offsets([place])[place]) == (0, 3)
        consumer.close()


def test_confluent_kafka_produces_idempotently_and_two_members_share_the_partitions() -> None:
    from confluent_kafka import Consumer, Producer

    with running({"foo": 4}, brokers=2) as (servers, _):
        options = {"bootstrap.servers": servers, "group.id": "g", "auto.offset.reset": "earliest"}
        members = [Consumer(options), Consumer(options)]
        for member in members:
            member.subscribe(["foo"])
        deadline = time.monotonic() + 20
        while sorted(len(member.assignment()) for member in members) != [2, 2] and time.monotonic() < deadline:
            for member in members:
                member.poll(0.05)
        assert sorted(place.partition for member in members for place in member.assignment()) == [0, 1, 2, 3]
        producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True})
        for i in range(8):
            producer.produce("foo", b"%d" % i, partition=i % 4)
        assert producer.flush(10) == 0
        assert sorted(each.value() for member in members for each in polled(member, 4)) == [b"%d" % i for i in range(8)]
        members[0].close()
        deadline = time.monotonic() + 20
        while len(members[1].assignment()) != 4 and time.monotonic() < deadline:
            members[1].poll(0.05)
        assert len(members[1].assignment()) == 4
        members[1].close()


def test_confluent_kafka_makes_describes_and_deletes_topics() -> None:
    from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

    with running({}) as (servers, cluster):
        admin = AdminClient({"bootstrap.servers": servers})
        assert admin.create_topics([NewTopic("foo", 3, 1, config={"retention.ms": "5"})])["foo"].result(10) is None
        assert len(admin.list_topics(timeout=10).topics["foo"].partitions) == 3
        described = next(iter(admin.describe_configs([ConfigResource("TOPIC", "foo")]).values())).result(10)
        assert described["retention.ms"].value == "5"
        admin.delete_topics(["foo"])["foo"].result(10)
        assert cluster.topics == {}


def test_aiokafka_produces_and_consumes_in_a_group() -> None:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    async def story(servers: str) -> list[Any]:
        producer = AIOKafkaProducer(bootstrap_servers=servers, enable_idempotence=True)
        await producer.start()
        for i in range(5):
            await producer.send_and_wait("foo", b"%d" % i)
        await producer.stop()
        consumer = AIOKafkaConsumer("foo", bootstrap_servers=servers, group_id="g", auto_offset_reset="earliest")
        await consumer.start()
        found = [await consumer.getone() for _ in range(5)]
        await consumer.commit()
        await consumer.stop()
        return found

    with running({"foo": 1}) as (servers, cluster):
        assert [(each.offset, each.value) for each in asyncio.run(story(servers))] == [(i, b"%d" % i) for i in range(5)]
        assert cluster.groups["g"].offsets["foo", 0].offset == 5


def test_a_transactional_producer_is_refused_in_words() -> None:
    from confluent_kafka import KafkaException, Producer

    with running({"foo": 1}) as (servers, _):
        producer = Producer({"bootstrap.servers": servers, "transactional.id": "t"})
        with pytest.raises(KafkaException):
            producer.init_transactions(2)
