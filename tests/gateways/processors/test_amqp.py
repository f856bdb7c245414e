"""
The AMQP processor on a server: what it hands on, acknowledges, gives back, and says when it cannot.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from gateways.limits import Limits
from gateways.processors.amqp_identities import Identities
from gateways.source_event import SourceEvent
from tests.gateways.processors.amqp_runs import FOO, NAMED, PEER, Server, amqp_server, context_for, running
from tests.gateways.processors.runs import play
from tests.gateways.processors.surroundings import ACCEPTED, REFUSED, FakeContext


def settle(event: SourceEvent, settlement: Any) -> None:
    assert event.settle is not None
    event.settle(settlement)


def open_messages(server: Server) -> int:
    return sum(len(queue.unsettled) + len(queue) for queue in server.broker.queues.values())


async def heard(server: Server, open_: int) -> None:
    """
    Until the server has as many messages that are not acknowledged.
    """
    while open_messages(server) != open_:
        await asyncio.sleep(0)


def test_a_message_is_handed_on_with_what_it_says_of_itself() -> None:
    async def story() -> None:
        async with amqp_server() as server, running(FOO, context_for(server)) as run:
            await run.listens()
            server.publish(b"{}", content_type="application/json", timestamp=datetime(2018, 10, 7, 12, tzinfo=UTC))
            server.publish(b"\xff")
            await run.context.until(lambda: len(run.context.events) == 2)
            first, second = run.context.events
            assert first[:4] == (b"{}", datetime(2018, 10, 7, 12, tzinfo=UTC), "k", "application/json")
            assert (second.payload, second.subject, second.content_type) == (b"\xff", "k", "")
            assert first.id != second.id
            assert "a queue of its own bound to direct exchange foo by k" in run.context.said[0]

    play(story())


def test_a_message_is_acknowledged_when_its_event_is_accepted_and_not_before() -> None:
    async def story() -> None:
        async with amqp_server() as server, running(FOO, context_for(server)) as run:
            await run.listens()
            server.publish(b"1", b"2")
            await run.context.until(lambda: len(run.context.events) == 2)
            assert await run.processor.caught_up()
            assert open_messages(server) == 2
            settle(run.context.events[1], ACCEPTED)
            await heard(server, 1)
            settle(run.context.events[0], ACCEPTED)
            await heard(server, 0)

    play(story())


def test_a_refused_message_comes_again_under_its_id() -> None:
    async def story() -> None:
        async with amqp_server() as server, running(FOO, context_for(server)) as run:
            await run.listens()
            server.publish(b"same", b"same", b"other")
            await run.context.until(lambda: len(run.context.events) == 3)
            ids = [event.id for event in run.context.events]
            settle(run.context.events[0], REFUSED)
            await run.context.until(lambda: len(run.context.events) == 4)
            assert run.context.events[3][0::5] == (b"same", ids[0])
            settle(run.context.events[2], REFUSED)
            await run.context.until(lambda: len(run.context.events) == 5)
            assert run.context.events[4].id == ids[2]

    play(story())


def test_what_was_in_hands_when_the_connection_was_lost_comes_again_under_its_id() -> None:
    async def story() -> None:
        async with amqp_server() as server:
            identities = Identities(100)
            context = context_for(server)
            async with running(NAMED, context, identities) as run:
                await run.listens()
                server.publish(b"1")
                await context.until(lambda: context.events)
                server.amqp.kill()
                assert "closed the connection" in str(await run.failure())
            await server.start()
            assert not server.broker.queues, "the queue was not durable"

        async with amqp_server() as server:
            context, identities = context_for(server), Identities(100)
            durable = f"{NAMED}durable: true\n"
            async with running(durable, context, identities) as run:
                await run.listens()
                server.publish(b"1", delivery_mode=2)
                await context.until(lambda: context.events)
                server.amqp.kill()
                await run.failure()
            await server.start()
            async with running(durable, context, identities):
                await context.until(lambda: len(context.events) == 2)
            assert context.events[0].id == context.events[1].id

    play(story())


def test_a_message_with_an_id_of_its_own_has_the_same_event_id_everywhere() -> None:
    async def story() -> None:
        ids = []
        for _ in range(2):
            async with amqp_server() as server, running(FOO, context_for(server)) as run:
                await run.listens()
                server.publish(b"1", message_id="7")
                server.publish(b"2", message_id="7")
                await run.context.until(lambda run=run: len(run.context.events) == 2)
                ids.append([event.id for event in run.context.events])
        assert ids[0] == ids[1]
        assert ids[0][0] != ids[0][1]

    play(story())


def test_what_finds_no_room_waits_in_order_and_more_stays_with_the_server() -> None:
    async def story() -> None:
        text = f"{FOO}prefetch: 3\n"
        async with amqp_server() as server, running(text, context_for(server, room=1)) as run:
            await run.listens()
            server.publish(*(str(number).encode() for number in range(5)))
            await run.context.until(lambda: run.context.events)
            assert await run.processor.caught_up()
            assert run.processor.paused()
            assert [len(queue) for queue in server.broker.queues.values()] == [2]
            run.context.make_room(None)
            await run.context.until(lambda: len(run.context.events) == 3)
            for number in range(5):
                await run.context.until(lambda number=number: len(run.context.events) > number)
                settle(run.context.events[number], ACCEPTED)
            await heard(server, 0)
            assert run.context.payloads == [b"0", b"1", b"2", b"3", b"4"]

    play(story())


def test_a_stop_gives_back_what_found_no_room_and_settles_the_rest() -> None:
    async def story() -> None:
        async with amqp_server() as server:
            context = context_for(server, room=1)
            async with running(NAMED, context) as run:
                await run.listens()
                server.publish(b"1", b"2")
                await context.until(lambda: context.events)
                assert await run.processor.caught_up()
                run.task.cancel()
                await asyncio.wait({run.task})
                server.publish(b"3")
                settle(context.events[0], ACCEPTED)
                await run.processor.close()
            assert [message.body for message in server.broker.queues["work"].waiting()] == [b"2", b"3"]
            assert len(context.events) == 1

    play(story())


def test_a_queue_of_its_own_is_gone_when_it_stops_and_a_named_one_stays() -> None:
    async def story() -> None:
        async with amqp_server() as server:
            for text, left in ((FOO, []), (NAMED, ["work"])):
                async with running(text, context_for(server)) as run:
                    await run.listens()
                    assert len(server.broker.queues) == 1
                assert list(server.broker.queues) == left

    play(story())


def test_a_queue_that_is_deleted_under_its_feet_is_an_error_that_says_so() -> None:
    async def story() -> None:
        async with amqp_server() as server, running(NAMED, context_for(server)) as run:
            await run.listens()
            server.broker.delete_queue(server.broker.queues["work"])
            assert str(await run.failure()) == f"{PEER}: the server ended the consumer: its queue is gone"

    play(story())


def test_a_channel_that_the_server_closes_is_an_error_in_its_own_words() -> None:
    async def story() -> None:
        async with amqp_server() as server, running(NAMED, context_for(server)) as run:
            await run.listens()
            server.publish(b"1")
            await run.context.until(lambda: run.context.events)
            server.amqp.time_out_channels()
            assert "406 PRECONDITION_FAILED - delivery acknowledgement on channel" in str(await run.failure())
            settle(run.context.events[0], ACCEPTED)

    play(story())


def test_an_abort_says_nothing_to_the_server_and_leaves_nothing_running() -> None:
    async def story() -> None:
        async with amqp_server() as server:
            before = asyncio.all_tasks()
            run_context = context_for(server)
            async with running(NAMED, run_context) as run:
                await run.listens()
                server.publish(b"1")
                await run_context.until(lambda: run_context.events)
                run.processor.abort()
                settle(run_context.events[0], ACCEPTED)
                await heard(server, 1)
            assert asyncio.all_tasks() == before

    play(story())


def test_what_breaks_while_a_message_is_taken_is_our_own_fault() -> None:
    async def story() -> None:
        async with amqp_server() as server:
            context = context_for(server)

            def broken(event: SourceEvent) -> bool:
                raise ZeroDivisionError("ours")

            async with running(FOO, context) as run:
                await run.listens()
                context.emit = broken  # type: ignore[method-assign]
                server.publish(b"1")
                assert str(await run.failure()) == "ours"
                assert isinstance(run.task.exception(), ZeroDivisionError)

    play(story())


@asynccontextmanager
async def saying(*words: bytes, closes: bool = True) -> AsyncIterator[Any]:
    """
    A server that is none: it says this, and nothing else.
    """
    writers = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readexactly(8)
        for word in words:
            writer.write(word)
        if closes:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        for writer in writers:
            writer.transport.abort()
        server.close()


@pytest.mark.parametrize(
    ("words", "closes", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", True, "no AMQP 0-9-1 server answers there"),
        (b"AMQP\x00\x01\x00\x00", True, "no AMQP 0-9-1 server answers there"),
        (b'INFO {"server_id":"x"}\r\n', False, "no answer within 0.2 s"),
        (b"", True, "no AMQP 0-9-1 server answers there"),
        (b"", False, "no answer within 0.2 s"),
        (b"\x01\0\0\0\0\0\x04\0\x99\0\x99\xce", True, "no AMQP 0-9-1 server answers there"),
    ],
)
def test_a_server_that_is_none_is_an_error_that_says_so(words: bytes, closes: bool, said: str) -> None:
    async def story() -> None:
        async with saying(words, closes=closes) as endpoint:
            context = FakeContext({PEER: endpoint}, limits=Limits(connect_s=0.2))
            async with running(FOO, context) as run:
                failure = str(await run.failure())
                assert failure.startswith(f"{PEER}: ")
                assert said in failure or ("no answer" in failure and not closes), failure

    play(story())


def test_several_servers_are_tried_in_turn_and_each_one_s_cause_is_told() -> None:
    async def story() -> None:
        async with amqp_server() as server, saying(b"HTTP/1.1 400\r\n\r\n") as other:
            text = FOO.replace(f"amqp://{PEER}", f"'amqp://other:1,amqp://{PEER}'")
            context = FakeContext({"other:1": other, PEER: server.endpoint})
            async with running(text, context) as run:
                await run.listens()
                assert PEER in context.said[0]
            server.amqp.kill()
            async with running(text, context) as run:
                failure = str(await run.failure())
                assert failure.startswith("other:1: no AMQP")
                assert f"{PEER}: connection refused" in failure

    play(story())


@pytest.mark.parametrize("text", [FOO, f"{NAMED}durable: true\n"], ids=["own", "named"])
def test_a_new_message_is_never_taken_for_one_that_was_lost_before_it(text: str) -> None:
    async def story() -> None:
        async with amqp_server() as server:
            context, identities = context_for(server), Identities(100)
            async with running(text, context, identities) as run:
                await run.listens()
                server.publish(b"same")
                await context.until(lambda: context.events)
                server.amqp.kill()
                await run.failure()
                settle(context.events[0], ACCEPTED)
            await server.start()
            context.said.clear()
            async with running(text, context, identities) as run:
                await run.listens()
                server.publish(b"same")
                await context.until(lambda: len(context.events) == 2)
                settle(context.events[1], REFUSED)
                await context.until(lambda: len(context.events) == 3)
                ids = [event.id for event in context.events]
                assert ids[0] != ids[1] == ids[2]

    play(story())


def test_what_another_consumer_gave_back_is_not_taken_for_what_we_lost_once_anything_new_came() -> None:
    async def story() -> None:
        text = f"{NAMED}durable: true\nprefetch: 1\n"
        async with amqp_server() as server:
            context, identities = context_for(server), Identities(100)
            async with running(text, context, identities) as run:
                await run.listens()
                server.publish(b"same")
                await context.until(lambda: context.events)
                server.amqp.kill()
                await run.failure()
            await server.start()
            context.said.clear()
            async with running(text, context, identities) as run:
                await run.listens()
                server.publish(b"new", b"same")
                await context.until(lambda: len(context.events) == 2)
                queue = server.broker.queues["work"]
                held = queue.pop()
                assert held is not None
                queue.put_back(held)
                settle(context.events[1], ACCEPTED)
                await context.until(lambda: len(context.events) == 3)
                assert context.payloads == [b"same", b"new", b"same"]
                assert context.events[0].id != context.events[2].id

    play(story())
