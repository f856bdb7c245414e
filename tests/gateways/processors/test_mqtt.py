from __future__ import annotations

import asyncio
import logging

import pytest

from gateways.processors import backlog
from gateways.processors.mqtt_session import Sessions
from tests.gateways.processors.mqtt_runs import FOO, KEPT, PEER, context_for, mqtt_server, running
from tests.gateways.processors.runs import play
from tests.gateways.processors.surroundings import ACCEPTED, REFUSED


def test_messages_become_events_with_their_topic_and_bytes() -> None:
    async def story() -> None:
        async with mqtt_server() as server, running(FOO.replace("foo}", "foo/#}"), context_for(server)) as run:
            await run.listens()
            assert run.context.said == [f"running: subscribed to foo/# at {PEER}"]
            await server.say("foo/a", b"\x00\xff", b"")
            assert await run.processor.caught_up()
            assert [(event.subject, event.payload, event.id) for event in run.context.events] == [
                ("foo/a", b"\x00\xff", ""),
                ("foo/a", b"", ""),
            ]

    play(story())


@pytest.mark.parametrize("qos", [1, 2])
def test_a_message_is_acknowledged_when_it_is_accepted_and_not_before(qos: int) -> None:
    async def story() -> None:
        async with mqtt_server() as server, running(f"{FOO}qos: {qos}\n", context_for(server)) as run:
            await run.listens()
            await server.say("foo", b"1", qos=qos)
            (event,) = await run.events(1)
            assert event.id
            assert await unacknowledged(server) == 1
            event.settle(ACCEPTED)
            while await unacknowledged(server):
                await run.processor.caught_up()
            assert len(run.context.events) == 1

    play(story())


async def unacknowledged(server: object) -> int:
    consumers = await server._monitor._consumers()  # type: ignore[attr-defined]
    ours = [each for _, each in consumers if each["config"].get("filter_subject") == "$MQTT.msgs.foo"]
    return sum(consumer["num_ack_pending"] for consumer in ours)


@pytest.mark.parametrize("qos", [1, 2])
def test_a_refused_message_is_handed_on_again_with_its_id(qos: int) -> None:
    async def story() -> None:
        async with mqtt_server() as server, running(f"{FOO}qos: {qos}\n", context_for(server)) as run:
            await run.listens()
            await server.say("foo", b"1", qos=qos)
            (event,) = await run.events(1)
            event.settle(REFUSED)
            assert [each.id for each in run.context.events] == [event.id] * 2
            run.context.events[1].settle(ACCEPTED)
            while await unacknowledged(server):
                await run.processor.caught_up()

    play(story())


@pytest.mark.parametrize("qos", [1, 2])
def test_what_the_server_sends_again_while_it_is_in_flight_is_let_be(qos: int) -> None:
    async def story() -> None:
        async with mqtt_server(ackWait="500ms") as server, running(f"{FOO}qos: {qos}\n", context_for(server)) as run:
            await run.listens()
            await server.say("foo", b"1", qos=qos)
            await run.events(1)
            await asyncio.sleep(0.8)  # the server waits half a second for an acknowledgement
            assert await run.processor.caught_up()
            assert len(run.context.events) == 1

    play(story())


def test_a_kept_session_has_the_same_event_again_after_a_lost_connection() -> None:
    async def story() -> None:
        shared = Sessions()
        async with mqtt_server(ackWait="500ms") as server:
            context = context_for(server)
            async with running(KEPT, context, shared) as run:
                await run.listens()
                await server.say("foo", b"1", b"2", qos=1)
                await run.events(2)
                assert run.processor._connection is not None
                run.processor._connection._client.wire.abort()
                await run.failure()
            first, second = context.events
            first.settle(ACCEPTED)
            second.settle(REFUSED)
            again = context_for(server)
            async with running(KEPT, again, shared) as run:
                await run.listens()
                (event,) = await run.events(1)
                assert (event.payload, event.id) == (b"2", second.id)
                event.settle(ACCEPTED)
                while await unacknowledged(server):
                    await run.processor.caught_up()
                assert len(again.events) == 1

    play(story())


def test_a_session_that_is_not_kept_drops_what_is_refused_when_the_connection_is_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        async with mqtt_server() as server, running(f"{FOO}qos: 1\n", context_for(server)) as run:
            await run.listens()
            await server.say("foo", b"1", qos=1)
            (event,) = await run.events(1)
            await server.restart("kill")
            assert str(await run.failure()) == f"{PEER}: the server closed the connection"
            event.settle(REFUSED)
            assert run.context.counted == {"dropped": 1}

    with caplog.at_level(logging.WARNING):
        play(story())
    assert "nobody will send again" in caplog.text


def test_a_stop_waits_for_what_is_in_flight_and_acknowledges_it() -> None:
    async def story() -> None:
        async with mqtt_server() as server, running(KEPT, context_for(server)) as run:
            await run.listens()
            await server.say("foo", b"1", b"2", qos=1)
            first, second = await run.events(2)
            run.task.cancel()
            await asyncio.wait({run.task})
            assert await server.absent(KEPT) is False
            first.settle(ACCEPTED)
            second.settle(REFUSED)
            assert len(run.context.events) == 2
            await run.processor.close()
            assert await server.absent(KEPT) is True
            while await unacknowledged(server) != 1:
                pass

    play(story())


def test_without_room_messages_wait_in_their_order() -> None:
    async def story() -> None:
        async with mqtt_server() as server, running(FOO, context_for(server, room=2)) as run:
            await run.listens()
            await server.say("foo", *[b"%d" % i for i in range(10)])
            assert await run.processor.caught_up()
            assert run.processor.paused()
            assert run.context.payloads == [b"0", b"1"]
            run.context.make_room(None)
            await run.events(10)
            assert run.context.payloads == [b"%d" % i for i in range(10)]

    play(story())


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_having_caught_up_means_having_everything_that_was_published(qos: int) -> None:
    async def story() -> None:
        async with mqtt_server() as server, running(f"{FOO}qos: {qos}\n", context_for(server)) as run:
            await run.listens()
            for number in range(1, 6):
                await server.say("foo", *[b"x"] * 100, qos=qos)
                assert await run.processor.caught_up()
                assert len(run.context.events) == 100 * number
                for event in run.context.events[-100:]:
                    if event.settle is not None:
                        event.settle(ACCEPTED)

    play(story())


@pytest.mark.parametrize("qos", [1, 2])
def test_what_is_to_be_acknowledged_waits_at_the_server_where_there_is_no_room(
    qos: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "BYTES_MAX", 800_000)

    async def story() -> None:
        async with mqtt_server() as server, running(f"{FOO}qos: {qos}\n", context_for(server, room=0)) as run:
            await run.listens()
            await server.say("foo", *[b"%03d" % i + b"x" * 50_000 for i in range(100)], qos=qos)
            assert await run.processor.caught_up()
            assert run.processor.paused()
            run.context.make_room(None)
            events = await run.events(100)
            assert [int(event.payload[:3]) for event in events[:100]] == list(range(100))
            assert run.context.counted == {}

    play(story())


def test_a_retained_message_is_an_event_at_once() -> None:
    async def story() -> None:
        async with mqtt_server() as server:
            await server.say("foo", b"kept", retain=True)
            async with running(FOO, context_for(server)) as run:
                (event,) = await run.events(1)
                assert event.payload == b"kept"

    play(story())


def test_nothing_is_left_at_the_server_or_in_the_loop() -> None:
    async def story() -> None:
        async with mqtt_server() as server:
            before = asyncio.all_tasks()
            async with running(FOO, context_for(server)) as run:
                await run.listens()
                assert await server.absent(FOO) is False
            assert await server.absent(FOO) is True
            assert asyncio.all_tasks() == before

    play(story())
