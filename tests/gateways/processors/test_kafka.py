"""
The Kafka processor against our cluster, and against librdkafka's, which shares no code with ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateways.errors import SourceUnavailable
from gateways.limits import Limits
from gateways.processors import kafka_share
from gateways.processors.kafka import KafkaProcessor
from gateways.processors.kafka_options import KafkaOptions
from gateways.processors.kafka_position import Positions
from simulator.services.certificate import Certificate
from tests.gateways.processors.surroundings import ACCEPTED, REFUSED, FakeContext
from tests.simulator.services.embedded.kafka_clients import running

SHARED = "url: {}\nattributes: {{topic: foo}}\ngroup: g\n"
TEXT = 'url: {}\nattributes: {{topic: foo, partition: "0"}}\n'


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(20):
            await story()

    asyncio.run(limited())


@asynccontextmanager
async def reading(
    servers: str, context: FakeContext, more: str = "", *, text: str = TEXT
) -> AsyncIterator[KafkaProcessor]:
    processor = KafkaProcessor(KafkaOptions.parse(text.format(servers) + more), context, Positions())
    run = asyncio.create_task(processor.run())
    try:
        while not context.said and not run.done():
            await asyncio.sleep(0.001)
        yield processor
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await processor.close()


def produce(servers: str, *values: bytes, partition: int = 0) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": servers})
    for value in values:
        producer.produce("foo", value, partition=partition)
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


@pytest.fixture
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Members say more often that they live, so that a test in real time need not wait.
    """
    monkeypatch.setattr(kafka_share, "HEARTBEAT_S", 0.05)


def shares(context: FakeContext) -> str:
    return context.said[-1].removeprefix("running: ").partition(" in group")[0]


@pytest.mark.usefixtures("_often")
def test_a_gateway_and_librdkafka_share_the_partitions_of_a_group() -> None:
    from confluent_kafka import Consumer

    def joined(consumer: Any) -> list[int]:
        while not consumer.assignment():
            consumer.poll(0.05)
        return sorted(place.partition for place in consumer.assignment())

    with running({"foo": 4}, brokers=2) as (servers, cluster):
        other = Consumer({"bootstrap.servers": servers, "group.id": "g", "partition.assignment.strategy": "range"})
        other.subscribe(["foo"])

        async def story() -> None:
            context = FakeContext(limits=Limits(stop_s=0.05))
            async with reading(servers, context, text=SHARED):
                assert shares(context) == "reading foo/0, foo/1, foo/2, foo/3"
                theirs = await asyncio.to_thread(joined, other)
                await context.until(lambda: shares(context).count("foo/") == 2)
                ours = [int(place[-1]) for place in shares(context).removeprefix("reading ").split(", ")]
                assert sorted(theirs + ours) == [0, 1, 2, 3]
                for partition in range(4):
                    await asyncio.to_thread(produce, servers, b"%d" % partition, partition=partition)
                await arrived(context, 2)
                assert sorted(context.payloads) == [b"%d" % partition for partition in ours]
                await asyncio.to_thread(other.close)
                await context.until(lambda: shares(context).count("foo/") == 4)
                # What the other one had not committed comes from here.
                await arrived(context, 4)
                for event in context.events:
                    assert event.settle is not None
                    event.settle(ACCEPTED)
                while sum(each.offset for each in cluster.groups["g"].offsets.values()) != 4:
                    await asyncio.sleep(0.001)
            assert cluster.groups["g"].members == {}

        play(story)


@pytest.mark.usefixtures("_often")
def test_a_member_leads_a_group_whose_others_read_other_topics() -> None:
    from confluent_kafka import Consumer

    with running({"foo": 2, "bar": 3}) as (servers, _):
        other = Consumer({"bootstrap.servers": servers, "group.id": "g", "partition.assignment.strategy": "range"})
        other.subscribe(["bar"])

        def joined() -> list[tuple[str, int]]:
            while not other.assignment():
                other.poll(0.05)
            return sorted((place.topic, place.partition) for place in other.assignment())

        async def story() -> None:
            context = FakeContext()
            async with reading(servers, context, text=SHARED):
                assert await asyncio.to_thread(joined) == [("bar", 0), ("bar", 1), ("bar", 2)]
                await context.until(lambda: len(context.said) > 1)
                assert shares(context) == "reading foo/0, foo/1"
            await asyncio.to_thread(other.close)

        play(story)


@pytest.mark.usefixtures("_often")
def test_what_is_settled_after_its_partition_was_given_away_is_neither_committed_nor_handed_on_again() -> None:
    with running({"foo": 1}) as (servers, cluster):

        async def story() -> None:
            context = FakeContext(limits=Limits(stop_s=0.05))
            async with reading(servers, context, text=SHARED):
                await asyncio.to_thread(produce, servers, b"1")
                await arrived(context, 1)
                group = cluster.groups["g"]
                member = next(iter(group.members))
                # As if it had not been heard of: somebody else commits from here on.
                group.leave(member)
                await context.until(lambda: len(context.events) == 2)
                late, again = context.events[0].settle, context.events[1].settle
                assert late is not None
                assert again is not None
                late(REFUSED)
                late(ACCEPTED)
                assert group.offsets["foo", 0].offset == 0
                again(ACCEPTED)
                while group.offsets["foo", 0].offset != 1:
                    await asyncio.sleep(0.001)
                assert len(context.events) == 2

        play(story)


def test_a_login_is_read_from_files_at_each_connect_and_a_certificate_believed_by_its_file(tmp_path: Path) -> None:
    certificate = Certificate(tmp_path, ["127.0.0.1"])
    asyncio.run(certificate.make())
    (tmp_path / "user").write_text("gateway\n")
    (tmp_path / "password").write_text("wrong\n")
    access = (
        f"tls: {{caFile: {certificate.file}}}\n"
        f"auth: {{mechanism: SCRAM-SHA-512, usernameFile: {tmp_path}/user, passwordFile: {tmp_path}/password}}\n"
    )
    users = {"gateway": "right"}
    with running({"foo": 1}, users=users, encryption=certificate.serving()) as (servers, _):

        async def story() -> None:
            options = KafkaOptions.parse(TEXT.format(servers) + access)
            with pytest.raises(SourceUnavailable, match="refuses the login: Authentication failed"):
                await KafkaProcessor(options, FakeContext(), None).run()
            (tmp_path / "password").write_text("right\n")
            context = FakeContext()
            async with reading(servers, context, access):
                assert shares(context) == f"reading foo/0 at {servers}"
            without_login = KafkaOptions.parse(TEXT.format(servers) + access.partition("auth")[0])
            with pytest.raises(SourceUnavailable, match="wants a login, and `auth` is missing"):
                await KafkaProcessor(without_login, FakeContext(), None).run()
            unbelieved = KafkaOptions.parse(TEXT.format(servers) + "tls: {}\n")
            with pytest.raises(SourceUnavailable, match="TLS: self-signed certificate"):
                await KafkaProcessor(unbelieved, FakeContext(), None).run()

        play(story)


@pytest.mark.usefixtures("_often")
def test_the_leader_shares_out_what_a_topic_has_got_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_share, "_BEATS_PER_LOOK", 2)
    with running({"foo": 1}) as (servers, cluster):

        async def story() -> None:
            context = FakeContext()
            async with reading(servers, context, text=SHARED):
                assert shares(context) == "reading foo/0"
                cluster.add_partitions("foo", 3)
                await context.until(lambda: shares(context) == "reading foo/0, foo/1, foo/2")

        play(story)


def test_a_topic_that_is_not_there_is_an_error_for_a_group_too() -> None:
    with running({"bar": 1}) as (servers, _):

        async def story() -> None:
            options = KafkaOptions.parse(SHARED.format(servers))
            with pytest.raises(SourceUnavailable, match="there is no topic foo"):
                await KafkaProcessor(options, FakeContext(), None).run()

        play(story)
