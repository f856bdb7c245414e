"""
What MQTT 5 brings: sessions that expire, reasons, and messages that say of what type their content is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any

import pytest

from gateways.processors.mqtt_session import Link, MqttSession
from gateways.source_event import SourceEvent
from simulator.services.mqtt_5 import EmbeddedMqtt5
from simulator.services.service import Published, Stimulus
from tests.gateways.processors.mqtt_runs import PEER, context_for, failure_at, mqtt_server, running, speaking
from tests.gateways.processors.runs import listener, play
from tests.gateways.processors.surroundings import ACCEPTED, REFUSED, FakeContext

FOO = f"url: tcp://{PEER}\nattributes: {{topic: foo}}\nprotocolVersion: 5\n"
KEPT = f"{FOO}qos: 1\nclientId: shop\nsessionExpiry: 90m\n"
CONNACK = b"\x20\x03\x00\x00\x00"
real = pytest.mark.skipif(find_spec("iotcore") is None, reason="needs the extra mqtt5")


@asynccontextmanager
async def broker() -> AsyncIterator[EmbeddedMqtt5]:
    service = EmbeddedMqtt5("mqtt", {"version": 5}, peers=(PEER,), relayed=False, time=None, died=print)  # type: ignore[arg-type]
    try:
        await service.start()
        yield service
    finally:
        await service.stop()


async def say(service: EmbeddedMqtt5, *payloads: bytes, qos: int = 1, **headers: str) -> None:
    where, said = (("topic", "foo"), ("qos", str(qos))), tuple(headers.items())
    assert await service.publish([Stimulus(where, each, said) for each in payloads]) == Published(True)
    await service.delivered()


@real
def test_a_message_s_content_type_is_the_event_s() -> None:
    async def story() -> None:
        async with broker() as service, running(FOO, context_for(service)) as run:  # type: ignore[arg-type]
            await run.listens()
            await say(service, b"{}", **{"Content-Type": "text/plain", "shop": "eu"})
            await say(service, b"{}")
            assert await run.processor.caught_up()
            assert [(each.content_type, each.extensions) for each in run.context.events] == [
                ("text/plain", ()),
                ("", ()),
            ]

    play(story())


@real
@pytest.mark.parametrize("qos", [1, 2])
def test_a_real_broker_takes_what_is_acknowledged_in_order(qos: int) -> None:
    async def story() -> None:
        async with (
            broker() as service,
            running(f"{KEPT}".replace("qos: 1", f"qos: {qos}"), context_for(service)) as run,
        ):  # type: ignore[arg-type]
            await run.listens()
            await say(service, b"1", b"2", b"3", qos=qos)
            first, second, third = await run.events(3)
            third.settle(ACCEPTED)
            second.settle(ACCEPTED)
            assert await run.processor.caught_up()
            first.settle(ACCEPTED)
            await say(service, b"4", qos=qos)
            (*_, fourth) = await run.events(4)
            assert fourth.payload == b"4"
            fourth.settle(ACCEPTED)
            assert await run.processor.caught_up()
            assert not run.task.done()

    play(story())


@real
def test_a_real_broker_keeps_a_session_that_expires_later() -> None:
    async def story() -> None:
        async with broker() as service:
            async with running(KEPT, context_for(service)) as run:  # type: ignore[arg-type]
                await run.listens()
            await say(service, b"1")
            async with running(KEPT, context_for(service)) as run:  # type: ignore[arg-type]
                await run.listens()
                (event,) = await run.events(1)
                assert event.payload == b"1"
                event.settle(ACCEPTED)

    play(story())


def test_a_server_of_mqtt_3_refuses_in_its_own_way() -> None:
    async def story() -> None:
        async with mqtt_server() as server:
            why = "the server refuses the connection: unsupported protocol version"
            assert await failure_at(server.endpoint, FOO) == f"{PEER}: {why}"

    play(story())


@pytest.mark.parametrize(
    ("text", "clean", "expiry"),
    [
        (FOO, True, 0),
        (f"{FOO}clientId: shop\nsessionExpiry: 0s\n", True, 0),
        (KEPT, False, 5400),
        (KEPT.replace("90m", "never"), False, 0xFFFFFFFF),
        (KEPT.replace("90m", "100ms"), False, 1),
    ],
)
def test_the_server_is_told_for_how_long_to_keep_the_session(text: str, clean: bool, expiry: int) -> None:
    async def story() -> None:
        heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.set_result(await reader.read(1000))

        async with listener(serve) as endpoint, running(text, FakeContext({PEER: endpoint})):
            connect = await heard
        assert connect[4:9] == b"MQTT\x05"
        assert bool(connect[9] & 0x02) is clean
        assert connect[12:18] == b"\x05\x11" + expiry.to_bytes(4)

    play(story())


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ((b"\x20\x03\x00\x87\x00",), "the server refuses the connection: not authorized"),
        ((b"\x20\x0a\x00\x97\x07\x1f\x00\x04full",), "the server refuses the connection: quota exceeded: full"),
        ((CONNACK, b"\x90\x04\x00\x01\x00\x87"), "the server refuses the subscription to foo: not authorized"),
        ((CONNACK, b"\xe0\x02\x8b\x00"), "the server ends the connection: server shutting down"),
        ((CONNACK, b"\xe0\x09\x8e\x07\x1f\x00\x04away"), "the server ends the connection: session taken over: away"),
        ((CONNACK, b"\x30\x08\x00\x03foo\x02\x7f\x01"), "the server breaks the protocol"),
        ((b"\x20\xff\xff\xff\xff\xff",), "no MQTT 5 server answers there"),
        ((b"\x20\x03\x00\x00\x05",), "no MQTT 5 server answers there"),
    ],
)
def test_reasons_are_told_in_the_protocols_words(answers: tuple[bytes, ...], why: str) -> None:
    async def story() -> None:
        async with speaking(*answers) as endpoint:
            assert await failure_at(endpoint, FOO) == f"{PEER}: {why}"

    play(story())


def acknowledged_of(session: MqttSession, settled: list[tuple[int, Any]]) -> list[int]:
    """
    The numbers of which the server is told when messages 1 to 3 are settled in that order.
    """
    told: list[int] = []
    context: Any = FakeContext()
    session.begin(Link(lambda number, qos: told.append(number), lambda event: True), resumed=False)
    events: dict[int, SourceEvent] = {}
    for number in (1, 2, 3):
        event = SourceEvent(b"%d" % number, context.clock.now(), "foo")
        received = session.receive(context, event, number, qos=1, duplicate=False)
        assert received is not None
        events[number] = received
    for number, settlement in settled:
        settle = events[number].settle
        assert settle is not None
        settle(settlement)
    return told


def test_acknowledgements_wait_for_those_of_earlier_messages() -> None:
    assert acknowledged_of(MqttSession(True, in_order=True), [(3, ACCEPTED), (2, ACCEPTED)]) == []
    settled = [(3, ACCEPTED), (1, REFUSED), (2, ACCEPTED), (1, ACCEPTED)]
    assert acknowledged_of(MqttSession(True, in_order=True), settled) == [1, 2, 3]
    assert acknowledged_of(MqttSession(True), settled) == [3, 2, 1]


def test_what_makes_no_event_is_acknowledged_in_its_turn() -> None:
    session = MqttSession(True, in_order=True)
    told: list[int] = []
    context: Any = FakeContext()
    session.begin(Link(lambda number, qos: told.append(number), lambda event: True), resumed=False)
    event = session.receive(context, SourceEvent(b"", context.clock.now()), 1, qos=1, duplicate=False)
    session.decline(2, 1)
    assert told == []
    assert event is not None
    assert event.settle is not None
    event.settle(ACCEPTED)
    assert told == [1, 2]


def test_a_new_connection_begins_a_new_order() -> None:
    session = MqttSession(True, in_order=True)
    acknowledged_of(session, [(2, ACCEPTED)])
    told: list[int] = []
    context: Any = FakeContext()
    session.begin(Link(lambda number, qos: told.append(number), lambda event: True), resumed=True)
    for number in (1, 2):
        event = SourceEvent(b"%d" % number, context.clock.now(), "foo")
        assert session.receive(context, event, number, qos=1, duplicate=True) is None
    assert told == []
    first = session._deliveries[1].event
    assert first is not None
    assert first.settle is not None
    first.settle(ACCEPTED)
    assert told == [1, 2]
