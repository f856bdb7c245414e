"""
Dispatch over Kafka, against our cluster, read back by librdkafka, and against librdkafka's own brokers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateways.addresses import DirectAddresses
from gateways.clock import SystemClock, SystemHold
from gateways.errors import ConfigurationError
from gateways.gateway_spec import Dispatch, GatewaySpec
from gateways.kafka_sender import KafkaTargets
from gateways.limits import Limits
from gateways.source_event import Certainty
from gateways.watcher import ACCEPTED, Attempt
from simulator.services.embedded.kafka.cluster import WrongReply
from tests.gateways.surroundings import START, play
from tests.gateways.watchers import EVENT
from tests.simulator.services.embedded.kafka_clients import running

NOT_LEADER, TIMED_OUT, FEW_REPLICAS = 6, 7, 19


@asynccontextmanager
async def targets_at(servers: str, topic: str = "events", **options: Any) -> AsyncIterator[KafkaTargets]:
    spec = GatewaySpec(name="gw", type="webhook", **options)
    targets = KafkaTargets(
        spec, Dispatch("Kafka", f"url: {servers}", topic), clock=SystemClock(), addresses=DirectAddresses()
    )
    try:
        yield targets
    finally:
        await targets.close()


async def attempted(targets: KafkaTargets, source: str = "gw/foo") -> Attempt:
    [target] = targets.of("foo")
    return await target.attempt(EVENT._replace(source=source), SystemHold())


def read_back(servers: str, count: int) -> list[Any]:
    from confluent_kafka import Consumer

    consumer = Consumer({"bootstrap.servers": servers, "group.id": "g", "auto.offset.reset": "earliest"})
    consumer.subscribe(["events"])
    found: list[Any] = []
    while len(found) < count:
        message = consumer.poll(10)
        assert message is not None
        assert message.error() is None
        found.append(message)
    consumer.close()
    return found


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_another_client_reads_key_headers_value_and_time(mode: str) -> None:
    with running({"events": 3}) as (servers, _):

        async def story() -> None:
            async with targets_at(servers, content_mode=mode) as targets:
                assert await attempted(targets) == ACCEPTED

        play(story)
        [message] = read_back(servers, 1)
        headers = dict(message.headers())
        assert message.key() == b"gw/foo"
        assert message.timestamp()[1] == START.timestamp() * 1000
        if mode == "binary":
            assert (headers["ce_source"], headers["content-type"]) == (b"gw/foo", b"application/json")
            assert message.value() == b'{"a":1}'
        else:
            assert headers == {"content-type": b"application/cloudevents+json"}


def test_a_source_keeps_its_partition_which_is_that_of_kafka_s_own_clients() -> None:
    from confluent_kafka import Producer

    with running({"events": 7}) as (servers, _):
        producer = Producer({"bootstrap.servers": servers, "partitioner": "murmur2_random"})
        sources = [f"gw/{number}" for number in range(20)]
        for source in sources:
            producer.produce("events", b"x", key=source)
        assert producer.flush(10) == 0

        async def story() -> None:
            async with targets_at(servers) as targets:
                for source in sources:
                    assert await attempted(targets, source) == ACCEPTED

        play(story)
        places = [(message.key(), message.partition()) for message in read_back(servers, 40)]
        assert len(set(places)) == 20
        assert len({partition for _, partition in places}) > 3


def test_the_brokers_of_another_implementation_take_it_too() -> None:
    from confluent_kafka.admin import AdminClient

    mock = AdminClient({"test.mock.num.brokers": 1, "bootstrap.servers": "unused"})
    broker = next(iter(mock.list_topics(timeout=10).brokers.values()))
    mock.list_topics(topic="events", timeout=10)

    async def story() -> None:
        async with targets_at(f"{broker.host}:{broker.port}") as targets:
            assert await attempted(targets) == ACCEPTED

    play(story)


@pytest.mark.parametrize(
    ("code", "certainty"),
    [
        (NOT_LEADER, Certainty.REFUSED),
        (FEW_REPLICAS, Certainty.REFUSED),
        (TIMED_OUT, Certainty.UNCERTAIN),
    ],
)
def test_an_error_is_certain_where_the_broker_certainly_has_nothing(code: int, certainty: Certainty) -> None:
    with running({"events": 1}) as (servers, cluster):
        cluster.wrong_replies.append(WrongReply("Produce", code, 1))

        async def story() -> None:
            async with targets_at(servers) as targets:
                attempt = await attempted(targets)
                assert (attempt.certainty, f"error {code}" in attempt.cause) == (certainty, True)
                assert await attempted(targets) == ACCEPTED

        play(story)


def test_a_new_leader_is_found() -> None:
    with running({"events": 1}, brokers=2) as (servers, cluster):

        async def story() -> None:
            async with targets_at(servers) as targets:
                assert await attempted(targets) == ACCEPTED
                cluster.move_leaders()
                assert (await attempted(targets)).certainty is Certainty.REFUSED
                assert await attempted(targets) == ACCEPTED

        play(story)


def test_what_cannot_be_reached_certainly_has_nothing() -> None:
    with running({"other": 1}) as (servers, _):

        async def story() -> None:
            async with targets_at(servers) as targets:
                attempt = Attempt(Certainty.REFUSED, f"{servers}: there is no topic events")
                assert await attempted(targets) == attempt
            async with targets_at("127.0.0.1:1") as targets:
                assert (await attempted(targets)).certainty is Certainty.REFUSED

        play(story)


def test_an_answer_that_does_not_come_leaves_the_event_uncertain() -> None:
    with running({"events": 1}) as (servers, _):

        async def story() -> None:
            async with targets_at(servers, limits=Limits(answer_s=0.05)) as targets:
                [target] = targets.of("foo")
                place = await targets._line.place_of(b"gw/foo")
                place.connection._transport.pause_reading()  # type: ignore[union-attr]  # it is open
                attempt = await target.attempt(EVENT, SystemHold())
                assert attempt.certainty is Certainty.UNCERTAIN
                assert attempt.cause.endswith("no answer within 0.05 s")
                assert await attempted(targets) == ACCEPTED

        play(story)


@pytest.mark.parametrize(("url", "topic"), [("kafka://x:9092", "events"), ("", "events"), ("x:9092", "a b")])
def test_what_names_no_topic_of_no_broker_is_told(url: str, topic: str) -> None:
    with pytest.raises(ConfigurationError):
        KafkaTargets(
            GatewaySpec(name="gw", type="webhook"),
            Dispatch("Kafka", f"url: '{url}'", topic),
            clock=SystemClock(),
            addresses=DirectAddresses(),
        )
