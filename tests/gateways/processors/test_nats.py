from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from gateways.limits import Limits
from gateways.processors.nats import NatsProcessor
from simulator.virtual_clock import VirtualClock
from tests.gateways.processors.nats_runs import FOO, INFO, Run, context_for, failure_at, running, speaking
from tests.gateways.processors.nats_server import PEER, nats_server
from tests.gateways.processors.runs import listener, play
from tests.gateways.processors.surroundings import FakeContext

USERS = {"authorization": {"users": [{"user": "me", "password": "hunter2"}]}}


def test_a_message_becomes_an_event_with_its_bytes_and_subject() -> None:
    async def story() -> None:
        async with nats_server() as server, running(FOO, context_for(server)) as run:
            await run.listens()
            await server.publish("foo", b'{"a": 1}', b"", b"\xff\x00")
            assert await run.processor.caught_up()
            assert run.context.payloads == [b'{"a": 1}', b"", b"\xff\x00"]
            event = run.context.events[0]
            assert (event.subject, event.id, event.settle, event.content_type) == ("foo", "", None, "")

    play(story())


def test_it_says_what_it_listens_to_and_where() -> None:
    async def story() -> None:
        async with nats_server() as server:
            async with running(FOO, context_for(server)) as run:
                await run.listens()
                assert run.context.said == [f"running: subscribed to foo at {PEER}"]
            async with running(FOO + "queue: workers", context_for(server)) as run:
                await run.listens()
                assert run.context.said == [f"running: subscribed to foo in queue group workers at {PEER}"]

    play(story())


def test_wildcards_pass_through_and_the_subject_is_the_messages_own() -> None:
    async def story() -> None:
        text = f"url: nats://{PEER}\nattributes: {{subject: 'orders.*.>'}}"
        async with nats_server() as server, running(text, context_for(server)) as run:
            await run.listens()
            for subject in ("orders.eu.new.1", "orders.eu", "invoices.eu.new", "orders.us.old"):
                await server.publish(subject, b"")
            assert await run.processor.caught_up()
            assert [event.subject for event in run.context.events] == ["orders.eu.new.1", "orders.us.old"]

    play(story())


def test_members_of_a_queue_group_share_and_others_do_not() -> None:
    async def story() -> None:
        async with nats_server() as server:
            contexts = [context_for(server) for _ in range(3)]
            texts = [FOO + "queue: workers", FOO + "queue: workers", FOO]
            async with (
                running(texts[0], contexts[0]) as one,
                running(texts[1], contexts[1]) as two,
                running(texts[2], contexts[2]) as alone,
            ):
                for run in (one, two, alone):
                    await run.listens()
                await server.publish("foo", *[b"%d" % i for i in range(100)])
                for run in (one, two, alone):
                    assert await run.processor.caught_up()
                assert sorted(contexts[0].payloads + contexts[1].payloads) == sorted(contexts[2].payloads)
                assert contexts[0].payloads
                assert contexts[1].payloads

    play(story())


def test_a_subject_that_is_no_utf8_does_not_deafen_it() -> None:
    async def story() -> None:
        text = f"url: nats://{PEER}\nattributes: {{subject: '>'}}"
        async with nats_server() as server, running(text, context_for(server)) as run:
            await run.listens()
            _, writer = await asyncio.open_connection(*server.endpoint)
            writer.write(b"CONNECT {}\r\nPUB f\xff\xfe 2\r\nhi\r\nPUB foo 2\r\nho\r\n")
            await run.context.until(lambda: len(run.context.events) == 2)
            assert [event.subject for event in run.context.events] == ["f��", "foo"]
            writer.close()

    play(story())


def test_a_header_that_is_malformed_does_not_deafen_it() -> None:
    async def story() -> None:
        async with nats_server() as server, running(FOO, context_for(server)) as run:
            await run.listens()
            _, writer = await asyncio.open_connection(*server.endpoint)
            header = b"NATS/1.0 \xff\r\n\r\n"
            writer.write(
                b'CONNECT {"headers": true}\r\nHPUB foo %d %d\r\n%shi\r\n' % (len(header), len(header) + 2, header)
            )
            await run.context.until(lambda: run.context.events)
            assert run.context.payloads == [b"hi"]
            writer.close()

    play(story())


def test_caught_up_means_that_all_that_was_published_before_is_handed_on() -> None:
    async def story() -> None:
        async with nats_server() as server, running(FOO, context_for(server)) as run:
            await run.listens()
            for number in range(1, 21):
                await server.publish("foo", *[b"x"] * 500)
                assert await run.processor.caught_up()
                assert len(run.context.events) == number * 500

    play(story())


def test_it_says_that_it_listens_only_when_the_server_knows() -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        for _ in range(2):
            heard.append(await reader.readuntil(b"PING\r\n"))
            writer.write(b"PONG\r\n")

    async def story() -> None:
        async with (
            listener(serve) as endpoint,
            running(FOO, FakeContext({PEER: endpoint}, limits=Limits(connect_s=0.1))) as run,
        ):
            await run.listens()
            assert heard[1] == b"SUB foo  1\r\nPING\r\n"

    play(story())


def test_who_is_not_connected_has_nothing_to_catch_up_with() -> None:
    async def story() -> None:
        run = NatsProcessor(NatsProcessor.parse("k", FOO), FakeContext())
        assert await run.caught_up()

    play(story())


def test_a_lost_connection_ends_the_run_and_the_next_run_listens_again() -> None:
    async def story() -> None:
        async with nats_server() as server:
            async with running(FOO, context_for(server)) as run:
                await run.listens()
                await server.process.kill()
                assert str(await run.failure()) == f"{PEER}: the server closed the connection"
            await server.start()
            async with running(FOO, context_for(server)) as run:
                await run.listens()

    play(story())


def test_messages_that_came_just_before_the_end_are_handed_on() -> None:
    async def story() -> None:
        async with speaking(b"".join(b"MSG foo 1 2\r\n%02d\r\n" % i for i in range(50)), leaves=True) as endpoint:
            context = FakeContext({PEER: endpoint})
            async with running(FOO, context) as run:
                assert "closed the connection" in str(await run.failure())
                assert len(context.events) == 50

    play(story())


def test_a_cancelled_run_leaves_no_subscription_and_no_task() -> None:
    async def story() -> None:
        async with nats_server() as server:
            before = asyncio.all_tasks()
            run = await Run(NatsProcessor, FOO, context_for(server)).listens()
            await run.stop()
            assert asyncio.all_tasks() == before
            await server.publish("foo", b"late")
            assert run.context.events == []

    play(story())


def test_what_was_received_before_the_stop_is_handed_on_where_there_is_room_and_else_counted() -> None:
    async def story() -> None:
        async with nats_server() as server:
            run = await Run(NatsProcessor, FOO, context_for(server, room=0)).listens()
            await server.publish("foo", b"1", b"2", b"3")
            assert await run.processor.caught_up()
            run.context._room = 2
            await run.stop()
            assert run.context.payloads == [b"1", b"2"]
            assert run.context.counted == {"dropped": 1}

    play(story())


def test_what_the_server_had_accepted_before_the_stop_is_handed_on() -> None:
    async def story() -> None:
        async with nats_server() as server:
            run = await Run(NatsProcessor, FOO, context_for(server)).listens()
            await server.publish("foo", *[b"x"] * 1000)
            await run.stop()
            assert len(run.context.events) == 1000

    play(story())


def test_a_stop_while_connecting_ends_at_once() -> None:
    async def story() -> None:
        greeted = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            greeted.set()
            assert await reader.read() == b""

        async with listener(serve) as endpoint:
            run = Run(NatsProcessor, FOO, FakeContext({PEER: endpoint}, limits=Limits(connect_s=3600)))
            await greeted.wait()
            await run.stop()
            assert run.task.cancelled()

    play(story())


def test_abort_drops_the_connection_without_a_word() -> None:
    heard = bytearray()
    ended: list[type[BaseException]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        for _ in range(2):
            await reader.readuntil(b"PING\r\n")
            writer.write(b"PONG\r\n")
        heard.extend(await reader.read())
        ended.append(EOFError)

    async def story() -> None:
        async with listener(serve) as endpoint:
            run = await Run(NatsProcessor, FOO, FakeContext({PEER: endpoint})).listens()
            run.processor.abort()
            await run.stop()
            while not ended:
                await asyncio.sleep(0)
            assert heard == b""

    play(story())


def test_a_fault_of_ours_ends_the_run_with_it() -> None:
    class Broken(FakeContext):
        def emit(self, event: Any) -> bool:
            raise LookupError("a bug")

    async def story() -> None:
        async with nats_server() as server, running(FOO, Broken({PEER: server.endpoint})) as run:
            await run.listens()
            await server.publish("foo", b"1")
            assert isinstance(await run.failure(), LookupError)

    play(story())


def test_nothing_of_the_client_library_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with nats_server(USERS) as server:
            await failure_at(server.endpoint)
            async with running(FOO + "auth: {username: me, password: hunter2}", context_for(server)) as run:
                await run.listens()
                await server.process.kill()
                await run.failure()

    with caplog.at_level(logging.DEBUG, "nats"):
        play(story())
    assert not [record for record in caplog.records if record.name.startswith("nats")]


def test_virtual_time_stands_still_while_it_connects_and_is_free_while_it_listens() -> None:
    async def story() -> None:
        clock = VirtualClock(datetime(2018, 10, 7, tzinfo=UTC))
        async with nats_server() as server:
            run = Run(NatsProcessor, FOO, context_for(server, clock=clock))
            clock.awake(run.task)
            await clock.still()
            assert run.context.said
            assert clock.active == 0
            await run.stop()

    play(story())


def test_a_black_hole_is_not_taken_for_caught_up() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        for _ in range(2):
            await reader.readuntil(b"PING\r\n")
            writer.write(b"PONG\r\n")

    async def story() -> None:
        async with listener(serve) as endpoint:
            context = FakeContext({PEER: endpoint}, limits=Limits(connect_s=0.1))
            async with running(FOO, context) as run:
                await run.listens()
                assert not await run.processor.caught_up()
                assert not run.task.done()

    play(story())
