from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from gateways.processors import backlog
from gateways.source_event import SourceEvent
from tests.gateways.processors.nats_runs import FOO, context_for, running
from tests.gateways.processors.nats_server import PEER, nats_server
from tests.gateways.processors.runs import play
from tests.gateways.processors.surroundings import FakeContext


def test_without_room_it_waits_and_keeps_the_order() -> None:
    async def story() -> None:
        async with nats_server() as server, running(FOO, context_for(server, room=2)) as run:
            await run.listens()
            await server.publish("foo", *[b"%d" % i for i in range(10)])
            assert await run.processor.caught_up()
            assert run.processor.paused()
            assert run.context.payloads == [b"0", b"1"]
            run.context.make_room(3)
            await run.context.until(lambda: len(run.context.events) == 5)
            run.context.make_room(None)
            await run.context.until(lambda: len(run.context.events) == 10)
            assert run.context.payloads == [b"%d" % i for i in range(10)]
            assert not run.processor.paused()

    play(story())


def test_nothing_overtakes_what_waits() -> None:
    stirred: list[bool] = []
    context = FakeContext(room=0)
    waiting = backlog.Backlog(context, lambda: stirred.append(True))
    first, second = (SourceEvent(payload, datetime.now(UTC)) for payload in (b"1", b"2"))
    waiting.hand_on(first)
    context.make_room(None)
    waiting.hand_on(second)
    assert (context.payloads, stirred) == ([], [True])
    waiting.hand_on_what_fits()
    assert context.payloads == [b"1", b"2"]


def test_what_no_longer_fits_is_counted_and_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(backlog, "EVENTS_MAX", 5)

    async def story() -> None:
        async with nats_server() as server, running(FOO, context_for(server, room=0)) as run:
            await run.listens()
            await server.publish("foo", *[b"%d" % i for i in range(12)])
            assert await run.processor.caught_up()
            assert run.context.counted == {"dropped": 7}
            run.context.make_room(None)
            await run.context.until(lambda: len(run.context.events) == 5)
            assert run.context.payloads == [b"%d" % i for i in range(5)]

    with caplog.at_level(logging.WARNING, "gateways"):
        play(story())
    assert [record.message for record in caplog.records] == [
        "dropping messages: the watchers are too slow and no more may wait"
    ]


def test_the_bytes_that_wait_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "BYTES_MAX", 1000)

    async def story() -> None:
        async with nats_server() as server, running(FOO, context_for(server, room=0)) as run:
            await run.listens()
            await server.publish("foo", *[b"x" * 300] * 4)
            assert await run.processor.caught_up()
            assert run.context.counted == {"dropped": 1}

    play(story())


def test_what_waits_when_the_connection_is_lost_is_still_handed_on() -> None:
    async def story() -> None:
        async with nats_server() as server, running(FOO, context_for(server, room=0)) as run:
            await run.listens()
            await server.publish("foo", b"1", b"2")
            assert await run.processor.caught_up()
            await server.process.kill()
            await run.context.until(lambda: len(run.context.said) == 2)
            assert run.context.said[1] == f"failing: {PEER}: the server closed the connection"
            run.context.make_room(None)
            await run.failure()
            assert run.context.payloads == [b"1", b"2"]

    play(story())
