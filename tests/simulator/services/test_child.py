"""
Our own servers as processes of their own: what outlives a SIGKILL, and what is said when they cannot do what is asked.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from simulator.errors import ScenarioError, ServiceUnavailable, SimulatorError
from simulator.scenario_file.loader import load_text
from simulator.scenario_file.step import FaultReply
from simulator.services.child import ChildService
from simulator.services.registry import service_class
from simulator.services.service import Stimulus
from tests.simulator.services.processes import is_gone

NOON = datetime(2018, 10, 7, 12, tzinfo=UTC)


class StillTime:
    """
    Scenario time that stands.
    """

    def now(self) -> datetime:
        return NOON

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    def stall_peer(self, peer: str) -> Callable[[], None]:
        return lambda: None


@asynccontextmanager
async def started(type_name: str, setup: Mapping[str, Any], deaths: list[str]) -> AsyncIterator[ChildService]:
    kind = service_class(type_name, as_process=True)
    service = kind("s", {"process": True, **setup}, peers=(), relayed=True, time=StillTime(), died=deaths.append)
    assert isinstance(service, ChildService)
    try:
        await service.start()
        yield service
    finally:
        await service.stop()


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await story()

    asyncio.run(limited())


async def got(service: ChildService, path: str) -> tuple[int, str]:
    """
    The answer to a GET: its status and body.
    """
    reader, writer = await asyncio.open_connection(*service.endpoint)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split(b" ", 2)[1]), body.decode()


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_objects_of_a_bucket_outlive_the_process(how: str) -> None:
    async def story() -> None:
        async with started("s3", {"buckets": ["orders"]}, []) as s3:
            kept = Stimulus((("bucket", "orders"), ("key", "a")), b"kept", verb="put")
            assert (await s3.publish([kept])).taken
            first = s3.pid
            assert first is not None
            await s3.restart(how)
            assert is_gone(first)
            assert await got(s3, "/orders/a") == (200, "kept")

    play(story)


def test_kubernetes_objects_outlive_a_kill_with_uid_and_version_and_their_kinds_too() -> None:
    names = {"plural": "flows", "kind": "Flow", "singular": "flow"}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}]
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "flows.shop"},
        "spec": {"group": "shop", "names": names, "scope": "Namespaced", "versions": versions},
    }
    flow = {"apiVersion": "shop/v1", "kind": "Flow", "metadata": {"name": "a"}}

    async def story() -> None:
        async with started("kubernetes", {"objects": [definition]}, []) as kubernetes:
            assert (await kubernetes.publish([Stimulus((), json.dumps(flow).encode(), verb="apply")])).taken
            before = await got(kubernetes, "/apis/shop/v1/namespaces/default/flows/a")
            await kubernetes.fault("kill", True)
            assert not (await kubernetes.publish([Stimulus((), json.dumps(flow).encode(), verb="apply")])).taken
            await kubernetes.heal()
            after = await got(kubernetes, "/apis/shop/v1/namespaces/default/flows/a")
            assert before == after
            assert (after[0], json.loads(after[1])["metadata"]["creationTimestamp"]) == (200, "2018-10-07T12:00:00Z")

    play(story)


def test_the_log_of_a_partition_and_what_a_group_committed_outlive_a_kill() -> None:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    partition = TopicPartition("orders", 0)

    async def read(kafka: ChildService, count: int) -> list[bytes | None]:
        servers = [f"{host}:{port}" for host, port in kafka.advertised]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=servers, group_id="g", auto_offset_reset="earliest", enable_auto_commit=False
        )
        await consumer.start()
        try:
            consumer.assign([partition])
            values = [(await consumer.getone()).value for _ in range(count)]
            await consumer.commit()
            return values
        finally:
            await consumer.stop()

    async def story() -> None:
        async with started("kafka", {"topics": {"orders": {}}, "brokers": 2}, []) as kafka:
            place = (("topic", "orders"), ("partition", "0"))
            assert (await kafka.publish([Stimulus(place, b"1"), Stimulus(place, b"2")])).taken
            assert await read(kafka, 1) == [b"1"]
            await kafka.restart("kill")
            assert (await kafka.publish([Stimulus(place, b"3")])).taken
            assert await read(kafka, 2) == [b"2", b"3"]

    play(story)


def test_of_a_durable_queue_persistent_messages_outlive_a_kill_in_their_order_and_nothing_else_does() -> None:
    import aio_pika

    exchange = {"type": "topic"}
    queue = {"bindings": [{"exchange": "orders", "routingKey": "#"}]}
    setup = {
        "exchanges": {"orders": exchange, "passing": {**exchange, "durable": False}},
        "queues": {"kept": queue, "gone": {**queue, "durable": False}},
    }

    def message(payload: bytes, **more: str) -> Stimulus:
        return Stimulus((("exchange", "orders"), ("routingKey", "new"), *more.items()), payload)

    async def story() -> None:
        async with started("amqp", setup, []) as amqp:
            url = "amqp://guest:guest@{}:{}/".format(*amqp.endpoint)
            sent = [message(b"in flight"), message(b"passing", persistent="False"), message(b"waiting")]
            assert (await amqp.publish(sent)).taken
            connection = await aio_pika.connect(url)
            channel = await connection.channel()
            first = await (await channel.get_queue("kept")).get(no_ack=False)
            assert first.body == b"in flight"
            await amqp.restart("kill")
            await connection.close()
            connection = await aio_pika.connect(url)
            channel = await connection.channel()
            kept = await channel.get_queue("kept")
            again = [await kept.get(no_ack=True) for _ in range(2)]
            assert [(each.body, each.redelivered) for each in again] == [(b"in flight", True), (b"waiting", False)]
            assert await kept.get(no_ack=True, fail=False) is None
            assert (await (await channel.get_queue("gone")).get(no_ack=True, fail=False)) is None
            await connection.close()

    play(story)


def test_faults_by_hook_reach_the_process_and_what_it_refuses_is_told() -> None:
    async def story() -> None:
        async with started("kubernetes", {}, []) as kubernetes:
            await kubernetes.fault("reply", FaultReply(request="list", error="TooManyRequests", times=1))
            answers = [(await got(kubernetes, "/api/v1/nodes"))[0] for _ in range(2)]
            assert answers == [429, 200]
            with pytest.raises(SimulatorError, match="'List' is no verb of the API"):
                await kubernetes.fault("reply", FaultReply(request="List", error=500))
            await kubernetes.fault("kill", True)
            with pytest.raises(SimulatorError, match="its process does not run, so it takes no fault 'expireWatch'"):
                await kubernetes.fault("expireWatch", True)

    play(story)


def test_a_set_up_that_the_server_refuses_is_told_as_it_is_in_process() -> None:
    async def story() -> None:
        with pytest.raises(SimulatorError, match="bucket 'b': The specified bucket is not valid"):
            async with started("s3", {"buckets": ["b"]}, []):
                pass

    play(story)


def test_a_process_that_does_not_come_up_is_told_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.services.child._BIRTH", "raise SystemExit('no memory left')")

    async def story() -> None:
        with pytest.raises(ServiceUnavailable, match=r"(?s)ended with exit code 1.*no memory left"):
            async with started("s3", {}, []):
                pass

    play(story)


@pytest.mark.parametrize("service", ["amqp", "s3"])
def test_a_process_and_tls_exclude_each_other_in_a_scenario(service: str) -> None:
    text = f"""\
apiVersion: gatesim/v1
scenario: x
services: {{{service}: {{process: true, tls: true}}}}
gateway: {{name: g, type: calendar, configMap: {{a: "interval: 1s"}}, watchers: {{sensors: []}}}}
steps: [{{advance: 1s}}]
"""
    with pytest.raises(ScenarioError, match=re.escape("`process` excludes `tls`")):
        load_text(text)
