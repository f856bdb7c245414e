"""
What the AMQP service knows beyond the contract: which message a text listens to, properties, faults of acknowledging.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import pytest

from simulator.errors import SimulatorError
from simulator.services.amqp import EmbeddedAmqp
from simulator.services.amqp_listening import AmqpListening
from simulator.services.service import Published, Stimulus

URL = "url: amqp://amqp.argo-events:5672\n"


class Later:
    """
    Scenario time that stands until a test says otherwise.
    """

    def __init__(self) -> None:
        self.due: list[tuple[float, Callable[[], None]]] = []

    def later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        entry = (seconds, callback)
        self.due.append(entry)
        return lambda: self.due.remove(entry)

    def stall_peer(self, peer: str) -> Callable[[], None]:
        return lambda: None


def play(story: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(20):
            await story

    asyncio.run(limited())


@asynccontextmanager
async def started(setup: dict[str, Any], time: Later | None = None) -> AsyncIterator[EmbeddedAmqp]:
    peers = ("amqp.argo-events:5672",)
    service = EmbeddedAmqp("amqp", setup, peers=peers, relayed=True, time=time or Later(), died=lambda cause: None)
    try:
        await service.start()
        yield service
    finally:
        await service.stop()


def stimulus(payload: bytes = b"x", headers: dict[str, str] | None = None, **where: str) -> Stimulus:
    return Stimulus(tuple(where.items()), payload, tuple((headers or {}).items()))


@pytest.mark.parametrize(
    ("text", "exchange", "key", "headers", "comes"),
    [
        ("{exchangeName: e, exchangeType: direct, routingKey: k}", "e", "k", {}, True),
        ("{exchangeName: e, exchangeType: direct, routingKey: k}", "e", "l", {}, False),
        ("{exchangeName: e, exchangeType: direct, routingKey: k}", "f", "k", {}, False),
        ("{exchangeName: e, exchangeType: fanout, routingKey: k}", "e", "l", {}, True),
        ("{exchangeName: e, exchangeType: topic, routingKey: 'k.#'}", "e", "k.l.m", {}, True),
        ("{exchangeName: e, exchangeType: topic, routingKey: 7}", "e", "7", {}, True),
        ("{exchangeName: e, exchangeType: headers, routingKey: ''}\nheaders: {a: 1}", "e", "", {"a": "1"}, True),
        ("{exchangeName: e, exchangeType: headers, routingKey: ''}\nheaders: {a: 1}", "e", "", {"a": "2"}, False),
        ("{exchangeName: e, exchangeType: direct, routingKey: k}\nqueue: work", "", "work", {}, True),
        ("{exchangeName: e, exchangeType: direct, routingKey: k}", "", "k", {}, False),
    ],
)
def test_a_text_listens_to_what_its_exchange_would_hand_on(
    text: str, exchange: str, key: str, headers: dict[str, str], comes: bool
) -> None:
    listening = AmqpListening.of(f"{URL}attributes: {text}\n")
    assert listening is not None
    assert listening.covers(exchange, key, headers, "/") is comes
    assert not listening.covers(exchange, key, headers, "other")


def test_the_fence_of_a_pattern_has_a_key_that_it_covers() -> None:
    listening = AmqpListening.of(f"{URL}attributes: {{exchangeName: e, exchangeType: topic, routingKey: 'a.*.#'}}\n")
    assert listening is not None
    assert listening.covers("e", listening.concrete_key, {}, "/")


def test_a_step_s_properties_are_those_of_the_message() -> None:
    async def story() -> None:
        async with started({"queues": {"q": {}}}) as service:
            where = {"contentType": "text/x", "messageId": "7", "expiration": "1m30s", "persistent": "False"}
            assert (await service.publish([stimulus(routingKey="q", headers={"a": "b"}, **where)])).taken
            (message,) = service.broker.queues["q"].waiting()
            properties = message.properties
            assert (properties.content_type, properties.message_id, properties.expiration) == ("text/x", "7", "90000")
            assert (properties.delivery_mode, properties.headers) == (1, {"a": "b"})

    play(story())


def test_what_is_not_taken_is_told_why() -> None:
    async def story() -> None:
        async with started({}) as service:
            nowhere = await service.publish([stimulus(exchange="nowhere")])
            assert nowhere == Published(False, "NOT_FOUND - no exchange 'nowhere' in vhost '/'")
            unrouted = await service.publish([stimulus(routingKey="nobody", mandatory="True")])
            assert (unrouted.taken, "NO_ROUTE" in unrouted.cause) == (False, True)
            assert (await service.publish([stimulus(routingKey="nobody")])).taken
            assert "no vhost sales" in (await service.publish([stimulus(vhost="sales")])).cause

    play(story())


def test_a_set_up_that_the_server_refuses_is_told_by_its_name() -> None:
    async def story() -> None:
        with pytest.raises(SimulatorError, match="service amqp: the AMQP server refuses: NOT_FOUND - no exchange 'e'"):
            async with started({"queues": {"q": {"bindings": [{"exchange": "e"}]}}}):
                pass

    play(story())


def test_a_message_lives_in_scenario_time() -> None:
    async def story() -> None:
        time = Later()
        queues = {"q": {"arguments": {"x-message-ttl": 60_000, "x-dead-letter-exchange": "amq.fanout"}}}
        queues["dead"] = {"bindings": [{"exchange": "amq.fanout"}]}  # type: ignore[dict-item]
        async with started({"queues": queues}, time) as service:
            await service.publish([stimulus(routingKey="q")])
            ((seconds, expire),) = time.due
            assert (seconds, len(service.broker.queues["q"])) == (60.0, 1)
            expire()
            assert (len(service.broker.queues["q"]), len(service.broker.queues["dead"])) == (0, 1)

    play(story())


def test_an_acknowledgement_that_is_dropped_leaves_the_message_with_the_server() -> None:
    async def story() -> None:
        async with started({"queues": {"q": {}}}) as service:
            connection = await aio_pika.connect("amqp://guest:guest@{}:{}/".format(*service.endpoint))
            try:
                queue = await (await connection.channel()).get_queue("q")
                await service.publish([stimulus(routingKey="q")])
                await service.fault("dropAck", True)
                message = await queue.get()
                await message.ack()
                await queue.declare()
                assert len(service.broker.queues["q"].unsettled) == 1
                await service.heal()
            finally:
                await connection.close()
            assert not service.broker.queues["q"].unsettled
            assert len(service.broker.queues["q"]) == 1

    play(story())
